"""How costs grow: ``python tests/benchmarks/scaling.py`` prints seconds and exponents.

Processor seconds of each step against history length, candidates and catalogue size; beyond the 1,682 real items the
catalogue is generated. An exponent is the slope of a straight line through the logarithms: 1 is linear growth.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from engine.config import RunConfig
from engine.data import Catalogue, Dataset, Split, candidate_sets, load_dataset, split_dataset
from engine.distill import random_prompt
from engine.distill.tasks import PatternSimulating
from engine.finetune.stage import FinetuneStage
from engine.llm import Backbone, LLMRanker, PromptScorer, load_backbone, make_verbalizer
from engine.llm.prompts import prompt_titles
from engine.llm.verbalizers import TitleTokens
from engine.monitor import Monitor
from engine.settings import load_config
from engine.teachers import Markov, train_teacher
from engine.teachers.teacher import Teacher
from engine.training_prompts import make_prompts

LENGTHS = (5, 10, 20, 40)
CANDIDATES = (5, 10, 20, 40)
ITEMS = (1_682, 16_820, 168_200)
REPEATS = 2
USERS = 4
"""Users asked in one repetition."""
FEW = 16
"""Users whose histories a teacher is trained on."""

Step = Callable[[], object]


class Curve(NamedTuple):
    """Seconds of one step at each size."""

    name: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    exponent: float


@dataclass(frozen=True)
class World:
    """Real histories over a catalogue of any size."""

    config: RunConfig
    dataset: Dataset
    split: Split


@cache
def world(items: int = ITEMS[0], *overrides: str) -> World:
    """MovieLens-100K; with more items, every film has numbered copies, and an interaction falls upon one of them."""
    config = load_config(
        "quickstart", overrides=["plus.enabled=false", "finetune.batch_size=4", "finetune.passes=1", *overrides]
    )
    dataset = load_dataset(config.data, config.seed, Monitor())
    known, copies = len(dataset.catalogue), items // len(dataset.catalogue)
    if copies > 1:
        random, old = np.random.default_rng(0), dataset.catalogue
        numbers = [(item, copy) for copy in range(copies) for item in range(known)]
        catalogue = Catalogue(
            titles=tuple(f"{old.titles[item]} {copy}" if copy else old.titles[item] for item, copy in numbers),
            years=tuple(old.years[item] for item, _ in numbers),
            genres=tuple(old.genres[item] for item, _ in numbers),
            raw_ids=tuple(f"{old.raw_ids[item]}-{copy}" for item, copy in numbers),
        )
        moved = tuple(items + known * random.integers(copies, size=len(items)) for items in dataset.sequences)
        dataset = replace(dataset, catalogue=catalogue, sequences=moved)
    return World(config, dataset, split_dataset(dataset, config.data))


@cache
def backbone() -> Backbone:
    return load_backbone(world().config.llm, Monitor())


def ranker(this: World, verbalizer: str) -> LLMRanker:
    settings = this.config.llm.model_copy(update={"verbalizer": verbalizer})
    catalogue, prompt = this.dataset.catalogue, random_prompt(this.config, backbone())
    scorer = PromptScorer(backbone(), make_verbalizer(settings, backbone(), catalogue), prompt, USERS)
    return LLMRanker("llm", scorer, make_prompts(this.config, catalogue), this.config.data.history)


def by_prompt(this: World) -> Iterator[tuple[str, Step]]:
    """Steps that read a prompt."""
    long = [i for i, history in enumerate(this.split.test.histories) if len(history) >= LENGTHS[-1]][:USERS]
    examples = this.split.test.take(long)
    candidates = candidate_sets(this.dataset, examples, this.config.data, 0, "test")
    for verbalizer, words in (("title-tokens", "ranking, title tokens"), ("title-likelihood", "ranking, likelihood")):
        model = ranker(this, verbalizer)
        yield words, lambda model=model: model.scores(examples.histories, candidates)
    # Adapters change the backbone, so this comes last and is taken off again.
    own = backbone()
    stage = FinetuneStage(this.config, this.dataset, this.split, own, random_prompt(this.config, own))
    steps = iter(range(10**6))
    yield "stage 2", lambda: stage.train_step(next(steps))
    own.model = stage.adalora.peft.base_model.unload()


def by_catalogue(this: World) -> Iterator[tuple[str, Step]]:
    """Steps that look at every item."""
    split, config = this.split, this.config
    examples = split.test.take(range(USERS))
    few = replace(
        split, train=split.train[:FEW], validation=split.validation.take(range(FEW)), test=split.test.take(range(FEW))
    )
    settings = config.teacher.model_copy(update={"epochs": 1})

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train_teacher("sasrec", few, settings, 0, Path(folder) / "checkpoint", Monitor(), "teacher")

    teacher, markov = Teacher(split.n_items, settings), Markov(split.train, split.n_items)
    yield "SASRec, an epoch", train
    yield "SASRec, ranking all", lambda: teacher.catalogue_scores(examples.histories)
    yield "Markov, ranking all", lambda: markov.catalogue_scores(examples.histories)
    yield "drawing candidates", lambda: candidate_sets(this.dataset, examples, config.data, 0, "test")
    prompts = make_prompts(config, this.dataset.catalogue)
    task = PatternSimulating(config, few, this.dataset.catalogue, np.arange(FEW), prompts, teacher)
    steps = iter(range(10**6))
    yield "asking RPS", lambda: task.batch(next(steps))
    titles = prompt_titles(this.dataset.catalogue)
    yield "title tokens of all", lambda: TitleTokens(backbone(), titles, len(titles))


def measured(steps: Iterator[tuple[str, Step]]) -> dict[str, float]:
    """Least processor seconds of each step, over some repetitions after one that does not count."""
    found = {}
    for name, step in steps:
        times = []
        for _ in range(REPEATS + 1):
            began = time.process_time()
            step()
            times.append(time.process_time() - began)
        found[name] = min(times[1:])
        print(f"  {name}: {found[name]:.3f} s", file=sys.stderr, flush=True)
    return found


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of a straight line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def curves(axis: str, sizes: Sequence[int], measure: Callable[[int], dict[str, float]]) -> list[Curve]:
    """Measure at each size; one curve for each step."""
    found = []
    for size in sizes:
        print(f"{axis}: {size}", file=sys.stderr, flush=True)
        found.append(measure(size))
    return [
        Curve(name, tuple(sizes), seconds := tuple(at[name] for at in found), exponent(sizes, seconds))
        for name in found[0]
    ]


def main() -> None:
    torch.manual_seed(0)
    panels: dict[str, list[Curve]] = {
        "history items": curves(
            "history items", LENGTHS, lambda n: measured(by_prompt(world(ITEMS[0], f"data.history={n}")))
        ),
        "candidates": curves(
            "candidates", CANDIDATES,
            lambda m: measured(by_prompt(world(ITEMS[0], f"data.candidates={m}", f"distill.teacher_top={min(m, 10)}"))),
        ),
        "items in the catalogue": curves(
            "items", ITEMS, lambda items: measured(by_catalogue(world(items)))
        ),
    }  # fmt: skip
    for axis, lines in panels.items():
        for line in lines:
            told = ", ".join(f"{size}: {seconds:.3f} s" for size, seconds in zip(line.sizes, line.seconds, strict=True))
            print(f"{axis:<24}{line.name:<24}exponent {line.exponent:.2f}   {told}")
    worst: Any = max((line.exponent, axis, line.name) for axis, lines in panels.items() for line in lines)
    print(f"steepest: {worst[2]} by {worst[1]}, exponent {worst[0]:.2f}")


if __name__ == "__main__":
    main()
