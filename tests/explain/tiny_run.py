"""A run's models, tiny and random, without training anything."""

from __future__ import annotations

from stage_world import make_world

from engine.llm import SoftPrompt
from engine.models import Models
from engine.teachers import Markov


def tiny_models(*overrides: str, family: str = "causal") -> Models:
    """The world of the stage tests, a Markov chain in the teacher's place; no adapter unless one is attached."""
    world = make_world("finetune.enabled=false", *overrides, family=family)
    models = Models(world.config, world.dataset, world.split, world.backbone)
    models.teachers = {"sasrec": Markov(world.split.train, world.split.n_items)}  # type: ignore[dict-item]
    if world.config.distill.prompt != "none":
        models.soft_prompt = SoftPrompt.from_vocabulary(world.backbone, 3, seed=1)
    return models
