"""A run's models, tiny and random, without training anything."""

from __future__ import annotations

import torch
from stage_world import make_world

from engine.llm import SoftPrompt
from engine.llm.verbalizers import TitleHead, make_verbalizer
from engine.models import Models
from engine.teachers import Markov


def tiny_models(*overrides: str, family: str = "causal", form: str = "candidates") -> Models:
    """The world of the stage tests, a Markov chain in the teacher's place; no adapter unless one is attached."""
    world = make_world("finetune.enabled=false", *overrides, family=family, form=form)
    models = Models(world.config, world.dataset, world.split, world.backbone)
    models.teachers = {"sasrec": Markov(world.split.train, world.split.n_items)}  # type: ignore[dict-item]
    if world.config.distill.prompt != "none":
        models.soft_prompt = SoftPrompt.from_vocabulary(world.backbone, 3, seed=1)
        models.soft_prompt.head = random_head(models, 1)
    return models


def random_head(models: Models, seed: int) -> dict[str, torch.Tensor]:
    """What a head might have learned, drawn with ``seed``; nothing where the verbalizer has none."""
    llm = models.config.llm
    head = make_verbalizer(llm, models.backbone, models.dataset.catalogue, models.split.popularity(), seed)
    if not isinstance(head, TitleHead):
        return {}
    random = torch.Generator().manual_seed(seed)
    return {name: tensor + torch.randn(tensor.shape, generator=random) / 4 for name, tensor in head.copied().items()}
