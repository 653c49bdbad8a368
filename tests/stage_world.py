"""A world for the tests of both LLM stages, small enough to be known by heart.

Twelve films are watched, by every user in an order of her own; twelve more never are. So an answer is always a watched
film and a filler never one: something that even a soft prompt before a random model can learn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.backbones import BACKBONES
from engine.config import RunConfig
from engine.data import Catalogue, Dataset, Split, split_dataset
from engine.errors import Cancelled
from engine.llm.backbone import Backbone
from engine.llm.prompts import Prompt
from engine.monitor import Monitor
from engine.registered import registered
from engine.settings import load_config
from engine.teachers import Popularity
from engine.verbalizers import VERBALIZERS, VerbalizerEntry

WATCHED, FILMS, USERS = 14, 28, 16
FAMILIES: dict[str, Callable[[int], Backbone]] = {name: registered(it.tiny) for name, it in BACKBONES.items()}
CANDIDATES = (
    *("llm.prompts=candidates", "llm.verbalizer=title-tokens", "plus.enabled=false"),
    *("distill.soft_labels=false", "finetune.soft_labels=0"),
)
"""Makes the smoke preset ask as published: one question a prompt, which lists the candidates."""
SWITCHED_ON = ("plus.enabled=true", "llm.prompts=sequence")
"""Makes the smoke preset go through every stage that there is: also those that are off by default."""
SHORT = (
    "teacher.epochs=2",
    "teacher.validate_every=1",
    "distill.steps=2",
    "distill.batch_size=2",
    "distill.validate_every=1",
    "distill.validation_users=4",
    "finetune.steps=4",
    "finetune.batch_size=2",
    "finetune.validate_every=2",
    "finetune.validation_users=4",
    "plus.weighed_users=8",
    "eval.users=8",
)
"""Makes the smoke preset take seconds."""
QUICK = (*SWITCHED_ON, *SHORT)
SEQUENCE = ("llm.prompts=sequence", "llm.verbalizer=title-vectors", "llm.window=6")
"""Makes it ask behind every title of a list, with a head that learns."""
FORMS = {"candidates": CANDIDATES, "sequence": (*CANDIDATES, *SEQUENCE)}
ANSWERS = {
    **{name: (f"llm.verbalizer={name}",) for name, it in VERBALIZERS.items() if not it.learns},
    **{f"sequence-{name}": (*SEQUENCE, f"llm.verbalizer={name}") for name, it in VERBALIZERS.items() if it.of_states},
}
"""Ways to ask and to score, as settings beside those of the candidates form; heads learn in the sequence form."""
KINDS = [(family, answers) for family in FAMILIES for answers in ANSWERS]

STUCK = "tiny-{family} does not learn {task}: perhaps with larger weights or another draw, in engine/llm/tiny.py"


def verbalizer_of(answers: str) -> VerbalizerEntry:
    """What scores in one of the :data:`ANSWERS`."""
    return VERBALIZERS[answers.removeprefix("sequence-")]


def is_blind(name: str) -> bool:
    """Whether a module is of queries in the self-attention of a decoder behind an encoder.

    Where it reads a single token it has nothing to choose from: they get no gradient, up to rounding.
    """
    return re.search(r"decoder\..*(SelfAttention\.q|self_attn\.q_proj)\b", name) is not None


def make_catalogue(titles: Sequence[str]) -> Catalogue:
    return Catalogue(tuple(titles), (None,) * len(titles), ((),) * len(titles), tuple(map(str, range(len(titles)))))


def make_dataset(sequences: Sequence[Sequence[int]], titles: Sequence[str]) -> Dataset:
    return Dataset(
        name="world",
        catalogue=make_catalogue(titles),
        sequences=tuple(np.array(sequence, dtype=np.int64) for sequence in sequences),
        timestamps=tuple(np.arange(len(sequence)) for sequence in sequences),
        user_ids=tuple(f"user {number}" for number in range(len(sequences))),
        source="a test",
    )


def letter_titles(number: int, watched: int = WATCHED) -> list[str]:
    """Words of the tiny models' own vocabulary keep prompts short: those watched are games, the others movies."""
    return [f"{'game' if item < watched else 'movie'} {chr(65 + item)}" for item in range(number)]


@dataclass
class World:
    config: RunConfig
    dataset: Dataset
    split: Split
    backbone: Backbone
    teacher: Popularity


def without_digests(run: Path) -> None:
    """Let a run's folder be as those of earlier versions, which kept no digests of what stages left."""
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({key: value for key, value in about.items() if key != "files"}))
    entries = json.loads((run / "stages.json").read_text())
    stages = [{key: value for key, value in entry.items() if key != "files"} for entry in entries]
    (run / "stages.json").write_text(json.dumps(stages))


def make_world(*overrides: str, family: str = "causal", form: str = "candidates") -> World:
    """Settings of one of the :data:`FORMS`, with ``overrides``."""
    config = load_config(
        "smoke",
        overrides=[
            *("data.history=12", "data.candidates=6", "distill.teacher_top=3", "distill.steps=4", "finetune.steps=6"),
            *("distill.validate_every=2", "finetune.validate_every=3", "finetune.lr=0.01", "distill.lr=0.05"),
            "llm.micro_batch=8",
            *FORMS[form],
            *overrides,
        ],
    )
    random = np.random.default_rng(5)
    dataset = make_dataset([random.permutation(WATCHED).tolist() for _ in range(USERS)], letter_titles(FILMS))
    split = split_dataset(dataset, config.data)
    return World(config, dataset, split, FAMILIES[family](0), Popularity(split.train, split.n_items))


class Progress(Monitor):
    """Remembers how far each stage has come, and of how much."""

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[int, int]]] = {}

    def progress(self, stage: str, done: int, total: int) -> None:
        self.seen.setdefault(stage, []).append((done, total))

    def at(self, stage: str, share: float) -> int:
        """Where a stage first says that this share of it is done."""
        return next(done for done, total in self.seen[stage] if done >= share * total)


class Recorder(Monitor):
    """Keeps the curves; asks to stop after ``stop`` steps."""

    def __init__(self, stop: int | None = None) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []
        self.stop = stop
        self.done = 0

    def metrics(self, stage: str, step: int, values: dict[str, float]) -> None:  # type: ignore[override]
        self.points.append((step, dict(values)))

    def progress(self, stage: str, done: int, total: int) -> None:
        self.done = done

    def should_stop(self) -> bool:
        return self.stop is not None and self.done >= self.stop

    def curve(self, name: str) -> list[float]:
        return [values[name] for _, values in self.points if name in values]


@contextmanager
def cancelled() -> Iterator[None]:
    """The body has to end by a cancellation."""
    try:
        yield
    except Cancelled:
        return
    raise AssertionError("was not cancelled")


def listed(prompt: Prompt, catalogue: Catalogue, kind: str | None = None) -> list[int]:
    """Ids of the films that a prompt names, in order; of one kind of place or of all."""
    ids = {f" {title}": item for item, title in enumerate(catalogue.titles)}
    return [ids[s.text] for s in prompt.segments if s.text in ids and kind in (None, s.kind)]


def snapshot(backbone: Backbone) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in backbone.state_dict().items()}


def base_weights(tensors: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """The frozen model's own tensors, whatever PEFT's wrapper calls them."""
    own = {name.replace("base_model.model.", "").replace("base_layer.", ""): t for name, t in tensors.items()}
    return [own[name] for name in sorted(own) if "lora_" not in name and "ranknum" not in name]


def same(left: Sequence[torch.Tensor], right: Sequence[torch.Tensor]) -> bool:
    return len(left) == len(right) > 0 and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def checkpoint_in(folder: Path) -> Path:
    return folder / "checkpoint.safetensors"
