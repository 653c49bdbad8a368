"""Conventional recommenders: counting baselines and the neural teachers that are distilled."""

from engine.data import Split
from engine.teachers.base import CatalogueScorer
from engine.teachers.ensemble import Ensemble
from engine.teachers.markov import Markov
from engine.teachers.popularity import Popularity
from engine.teachers.teacher import Teacher, load_teacher, teacher_from
from engine.teachers.text import TextRecommender, load_text, train_text
from engine.teachers.train import train_teacher

__all__ = [
    "CatalogueScorer",
    "Ensemble",
    "Markov",
    "Popularity",
    "Teacher",
    "TextRecommender",
    "baselines",
    "load_teacher",
    "load_text",
    "teacher_from",
    "train_teacher",
    "train_text",
]


def baselines(split: Split) -> list[CatalogueScorer]:
    """The counting models that every table carries, counted from the training interactions."""
    return [Popularity(split.train, split.n_items), Markov(split.train, split.n_items)]
