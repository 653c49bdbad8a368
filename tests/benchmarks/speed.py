"""How fast the costly steps are beside plain loops: ``python tests/benchmarks/speed.py`` (``make bench``).

Real SmolLM2 and MovieLens-100K, fetched once into DELREC_HOME. Both sides of a comparison live in processes of their
own and take turns, so that whatever else the machine does meets both. Told are medians of the turns, by the clock and
by the processor time of the process (which other programs disturb less), and the largest resident memory of each side.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

from race import race_row
from turns import Took, Turn, take_turns

from engine.config import RunConfig
from engine.settings import load_config

if TYPE_CHECKING:
    from engine.data import Dataset, Split
    from engine.llm import Backbone
    from engine.training_prompts import TrainingBatch

CANDIDATES = ("llm.prompts=candidates", "llm.verbalizer=title-tokens", "plus.enabled=false", "finetune.soft_labels=0",
              "finetune.targets=[]", "finetune.passes=2", "finetune.batch_size=16",
              "distill.item_embeddings=false")  # fmt: skip
SEQUENCES = (*CANDIDATES, "llm.prompts=sequence", "llm.verbalizer=title-vectors")
"""The same model and layers: one form beside the other."""
TURNS = 5
PROMPTS = 16
"""Prompts ranked in one turn."""
LONGEST_ANSWER = 12
"""Tokens generated for an answer."""


@dataclass(frozen=True)
class Comparison:
    """``ours`` and ``plain`` are names in :data:`SIDES`."""

    title: str
    ours: str
    plain: str
    target: float | None
    cost: bool = False
    """The ratio of costs is wanted, at most ``target``; else of speeds, at least ``target``."""


COMPARISONS = (
    Comparison("stage-2 training, prompts/s, against transformers + peft", "stage 2", "plain stage 2", 8.0),
    Comparison("stage 2, labels/s, sequences against candidates", "stage 2 by sequences", "stage 2", 8.0),
    Comparison("stage 2, labels/s, a later pass against the first", "later pass", "first pass", None),
    Comparison("ranking, prompts/s, against the bare forward pass", "ranking", "bare forward", 0.9),
    Comparison("title likelihood of 20 titles, cost against the prompt", "title likelihood", "prompt", 1.3, cost=True),
    Comparison("generating one title (LLaRA), cost against the prompt", "generating", "prompt", None, cost=True),
)


@cache
def data() -> tuple[RunConfig, Dataset, Split]:
    """The quickstart's data, and settings of the candidates form."""
    from engine.data import load_dataset, split_dataset
    from engine.monitor import Monitor

    config = load_config("quickstart", overrides=CANDIDATES)
    dataset = load_dataset(config.data, config.seed, Monitor())
    return config, dataset, split_dataset(dataset, config.data)


@cache
def world() -> tuple[RunConfig, Dataset, Split, Backbone]:
    """The same with the language model."""
    from engine.llm import load_backbone
    from engine.monitor import Monitor

    return *data(), load_backbone(data()[0].llm, Monitor())


def questions(step: int) -> TrainingBatch:
    """A batch of stage 2, the same for both sides."""
    import numpy as np

    from engine.finetune.examples import NextItem
    from engine.training_prompts import make_prompts

    config, dataset, split = data()
    users = np.arange(len(split.train))
    prompts = make_prompts(config, dataset.catalogue)
    size = config.finetune.batch_size
    return NextItem(config, split, dataset.catalogue, users, prompts, soft=True, batch_size=size).batch(step)


def stage_two() -> Turn:
    """Steps of our stage 2 with one batch, one for each pass: all but the first find it in memory."""
    from engine.distill import random_prompt
    from engine.finetune.stage import FinetuneStage

    class AtOnce(FinetuneStage):
        """Asks a batch again before the next one, so that every turn holds what a whole stage does."""

        def batch_number(self, step: int) -> int:
            return step // passes

    config, dataset, split, backbone = world()
    passes = config.finetune.passes
    stage = AtOnce(config, dataset, split, backbone, random_prompt(config, backbone))
    step = iter(range(10**6))

    def turn() -> float:
        for _ in range(passes):
            stage.train_step(next(step))
        return passes * config.finetune.batch_size

    return turn


def stage_two_by_sequences(*changes: str, again: bool = False) -> Turn:
    """A step of stage 2 in the sequence form, on new windows or ``again`` on one batch; counted in labels."""
    from engine.distill import random_prompt
    from engine.finetune.stage import FinetuneStage

    _, dataset, split, backbone = world()
    config = load_config("quickstart", overrides=[*SEQUENCES, f"finetune.passes={1 + again}", *changes])
    stage = FinetuneStage(config, dataset, split, backbone, random_prompt(config, backbone))
    step = repeat(0) if again else iter(range(10**6))

    def turn() -> float:
        number = next(step)
        stage.train_step(number)
        return len(stage.task.batch(number))

    return turn


def plain_stage_two() -> Turn:
    """A step of the plain loop, which takes as long whether or not it has asked the same before."""
    import torch
    from plain import PlainFinetune
    from transformers import AutoModelForCausalLM

    from engine.llm.prompts import prompt_titles
    from engine.llm.sources import load_encoder
    from engine.locations import model_folder

    config, dataset, _ = data()
    folder = model_folder(config.llm.name)
    assert folder is not None, "our side has fetched it"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    titles = list(prompt_titles(dataset.catalogue, config.llm.show_year, config.llm.title_length))
    loop = PlainFinetune(config, model, load_encoder(config.llm), titles)
    batch = iter(range(10**6))
    # One micro-batch with its optimizer step: a whole batch takes half a minute on two cores, and no less per prompt.
    return lambda: loop.step(next(questions(next(batch)).parts(config.llm.micro_batch))[0])


def _asked(verbalizer: str) -> tuple[Any, list[Any], Any]:
    """Ranker, histories and candidates of test users who differ."""
    from engine.data import candidate_sets
    from engine.distill import random_prompt
    from engine.llm import LLMRanker, PromptScorer, make_verbalizer
    from engine.training_prompts import make_prompts

    config, dataset, split, backbone = world()
    settings = config.llm.model_copy(update={"verbalizer": verbalizer})
    examples = split.test.take(range(PROMPTS))
    candidates = candidate_sets(dataset, examples, config.data, config.seed, "test")
    scorer = PromptScorer(
        backbone, make_verbalizer(settings, backbone, dataset.catalogue), random_prompt(config, backbone), PROMPTS
    )
    ranker = LLMRanker("llm", scorer, make_prompts(config, dataset.catalogue), config.data.history)
    return ranker, list(examples.histories), candidates


def _ranking(verbalizer: str) -> Turn:
    ranker, histories, candidates = _asked(verbalizer)

    def turn() -> float:
        ranker.scores(histories, candidates)
        return PROMPTS

    return turn


def _embedded() -> Any:
    ranker, histories, candidates = _asked("title-tokens")
    scorer, backbone = ranker.scorer, world()[3]
    prompts = [ranker.prompt(history, row) for history, row in zip(histories, candidates, strict=True)]
    encoded = [backbone.encode(prompt, len(scorer.soft_prompt)) for prompt in prompts]
    return backbone, backbone.embed(encoded, scorer.soft_prompt.weight.detach())


def bare_forward() -> Turn:
    """The decoder over as many real tokens as the prompts have, in a batch without any padding."""
    import torch

    backbone, batch = _embedded()
    length = round(int(batch.lengths.sum()) / PROMPTS)
    inputs = batch.inputs[:, : int(batch.lengths.min())]
    inputs = torch.cat([inputs, inputs], dim=1)[:, :length].contiguous()

    @torch.inference_mode()
    def turn() -> float:
        backbone._decoder()(inputs_embeds=inputs, use_cache=False)
        return PROMPTS

    return turn


def prompt_alone() -> Turn:
    """The decoder over the padded prompts: what has to be read before anything can be answered."""
    import torch

    backbone, batch = _embedded()

    @torch.inference_mode()
    def turn() -> float:
        backbone._decoder()(inputs_embeds=batch.inputs, attention_mask=batch.padding_mask, use_cache=True)
        return PROMPTS

    return turn


def generating() -> Turn:
    """Greedy decoding of one title, which names one candidate and ranks none."""
    import torch

    backbone, batch = _embedded()
    width = batch.inputs.shape[1]
    # generate() wants its padding on the left.
    inputs = torch.stack([row.roll(width - int(n), dims=0) for row, n in zip(batch.inputs, batch.lengths, strict=True)])
    mask = (torch.arange(width) >= width - batch.lengths[:, None]).long()

    @torch.inference_mode()
    def turn() -> float:
        backbone.model.generate(
            inputs_embeds=inputs, attention_mask=mask, max_new_tokens=LONGEST_ANSWER, do_sample=False,
            pad_token_id=backbone.encoder.pad_id,
        )  # fmt: skip
        return PROMPTS

    return turn


def row(comparison: Comparison, found: dict[str, list[Took]]) -> list[str]:
    """One line of the table."""
    ours, plain = found[comparison.ours], found[comparison.plain]

    def ratio(kind: str) -> float:
        pairs = [(getattr(a, kind), getattr(b, kind)) for a, b in zip(ours, plain, strict=True)]
        return statistics.median(b / a if comparison.cost else a / b for a, b in pairs)

    clock, processor = ratio("clock"), ratio("processor")
    speeds = (f"{statistics.median(took.clock for took in side):.2f}" for side in (ours, plain))
    peaks = (f"{max(took.peak for took in side):.0f}" for side in (ours, plain))
    return [comparison.title, *speeds, f"{clock:.2f}", f"{processor:.2f}", *verdict(processor, comparison), *peaks]


def verdict(ratio: float, comparison: Comparison) -> tuple[str, str]:
    """The target, and whether it is met."""
    if comparison.target is None:
        return "-", "-"
    met = ratio <= comparison.target if comparison.cost else ratio >= comparison.target
    return f"{'<=' if comparison.cost else '>='} {comparison.target}", "met" if met else "MISSED"


SIDES: dict[str, Callable[[], Turn]] = {
    "stage 2": stage_two,
    "stage 2 by sequences": stage_two_by_sequences,
    "first pass": lambda: stage_two_by_sequences("finetune.top_layers=4"),
    "later pass": lambda: stage_two_by_sequences("finetune.top_layers=4", again=True),
    "plain stage 2": plain_stage_two,
    "ranking": lambda: _ranking("title-tokens"),
    "bare forward": bare_forward,
    "title likelihood": lambda: _ranking("title-likelihood"),
    "prompt": prompt_alone,
    "generating": generating,
}


def make_side(name: str) -> Turn:
    return SIDES[name]()


HEAD = ("", "ours /s", "plain /s", "ratio", "ratio (cpu)", "target", "", "ours MiB", "plain MiB")


def main(turns: int = TURNS) -> None:
    lines = [list(HEAD)]
    measures = [lambda c=c: row(c, take_turns(make_side, (c.ours, c.plain), turns)) for c in COMPARISONS]
    for measure in (*measures, race_row):
        lines.append(measure())
        print("...", *filter(None, lines[-1]), file=sys.stderr, flush=True)
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    for line in lines:
        first, *others = zip(line, widths, strict=True)
        print("  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]))
    print(f"\n{turns} turns, medians; whether a target is met goes by processor time. A ratio is of speeds, a cost of")
    print("seconds. A generated title names one candidate; likelihoods rank all.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
