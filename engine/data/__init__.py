"""Data sets: sources, catalogue, split, candidates, titles."""

from engine.data.candidates import candidate_sets
from engine.data.catalogue import Catalogue
from engine.data.dataset import Dataset
from engine.data.load import load_dataset
from engine.data.split import Examples, Split, split_dataset
from engine.data.statistics import Statistics, statistics
from engine.data.titles import TitleMatch, match_titles

__all__ = [
    "Catalogue",
    "Dataset",
    "Examples",
    "Split",
    "Statistics",
    "TitleMatch",
    "candidate_sets",
    "load_dataset",
    "match_titles",
    "split_dataset",
    "statistics",
]
