"""What a GPU gives: ``python tests/benchmarks/gpu.py`` on one; ``--tiny --device cpu`` tries the program anywhere.

Nothing is fetched: models are architectures at random weights, read by the tiny tokenizer, which breaks titles of the
synthetic data into more tokens than a real one (their number is told). Stage 2 with SmolLM2's, beside transformers +
peft with the same prompts, padded as they come and bucketed by length, for every attention that is installed; then
steps of both stages of *paper* with Flan-T5-XL's and the hours that all of its steps take. Each line has a process of
its own; told are prompts a second, the largest memory that tensors took, and how busy the driver says the GPU was.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from speed import CANDIDATES

from engine.config import RunConfig
from engine.locations import SIZES
from engine.settings import load_config

if TYPE_CHECKING:
    from engine.llm import Backbone

SMOLLM2 = {
    **{"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9},
    **{"num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True, "max_position_embeddings": 8192},
}
FLAN_T5_XL = SIZES["google/flan-t5-xl"] | {"decoder_start_token_id": 0}
SMALL = {"num_hidden_layers": 2, "num_layers": 2, "num_decoder_layers": 2, "hidden_size": 72, "intermediate_size": 96,
         "d_model": 64, "d_ff": 96, "d_kv": 8, "num_heads": 4}  # fmt: skip
"""What ``--tiny`` makes of both."""
LEAST_RATIO = 1.5
"""Of our prompts a second to those of the fastest plain loop."""
WARM = 2
"""Steps that do not count."""
SAMPLE_SECONDS = 0.2
BUSY = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0")
OURS = "ours"


@dataclass(frozen=True)
class Job:
    """One line: a stage, who takes it, and how."""

    title: str
    stage: str
    preset: str
    attention: str = OURS
    bucketed: bool = False


@dataclass(frozen=True)
class Took:
    """Of a job: prompts a second, seconds of a step, MB of tensors at most, per cent busy, tokens of a prompt."""

    speed: float
    seconds: float
    peak_mb: float
    busy: float | None
    tokens: float


def settings(job: Job, tiny: bool, device: str) -> RunConfig:
    """The preset's, on data and with a model that are here."""
    given = ["data.dataset=synthetic", "llm.dtype=bfloat16", f"llm.device={device}", "plus.enabled=false"]
    given += CANDIDATES if job.preset == "quickstart" else ["eval.users=8"]
    if tiny:
        given += ["finetune.init_r=4", "finetune.target_r=2", "finetune.batch_size=4", "distill.batch_size=4",
                  "distill.soft_tokens=4", "llm.micro_batch=2", "finetune.top_layers=1"]  # fmt: skip
    return load_config(job.preset, overrides=given)


def backbone_of(job: Job, tiny: bool, device: str) -> Backbone:
    """The architecture at random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

    from engine.llm.causal import CausalBackbone
    from engine.llm.seq2seq import Seq2SeqBackbone
    from engine.llm.tiny import CHAT_TEMPLATE, CONTEXT, tiny_tokenizer

    tokenizer = tiny_tokenizer()
    marks = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    sizes = SMOLLM2 if job.preset == "quickstart" else FLAN_T5_XL
    sizes = sizes | marks | ({name: size for name, size in SMALL.items() if name in sizes} if tiny else {})
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)  # no weight is ever there in another format
    try:
        with torch.device(device):
            if job.preset == "quickstart":
                tokenizer.chat_template = CHAT_TEMPLATE
                attention = "sdpa" if job.attention == OURS else job.attention
                model = LlamaForCausalLM(LlamaConfig(**sizes, attn_implementation=attention))
                return CausalBackbone(model, tokenizer, "SmolLM2's architecture", "random weights", CONTEXT)
            model = T5ForConditionalGeneration(T5Config(**sizes))
            return Seq2SeqBackbone(model, tokenizer, "Flan-T5-XL's architecture", "random weights", CONTEXT)
    finally:
        torch.set_default_dtype(before)


def stepper(job: Job, tiny: bool, device: str) -> tuple[Callable[[int], object], int, float]:
    """What takes a step, how many prompts that is, and their mean length."""
    import numpy as np
    from plain import PlainFinetune

    from engine.data import load_dataset, split_dataset
    from engine.distill import random_prompt
    from engine.distill.stage import DistilStage
    from engine.finetune.examples import NextItem
    from engine.finetune.stage import FinetuneStage
    from engine.llm.prompts import prompt_titles
    from engine.monitor import Monitor
    from engine.teachers import Popularity
    from engine.training_prompts import make_prompts

    config, backbone = settings(job, tiny, device), backbone_of(job, tiny, device)
    dataset = load_dataset(config.data, config.seed, Monitor())
    split = split_dataset(dataset, config.data)
    prompts, users = make_prompts(config, dataset.catalogue), np.arange(len(split.train))
    size = config.finetune.batch_size
    task = NextItem(config, split, dataset.catalogue, users, prompts, soft=True, batch_size=size)
    soft = config.distill.soft_tokens
    tokens = statistics.mean(len(backbone.encode(prompt, soft)) for prompt in task.batch(0).prompts)
    if job.stage == "distil":
        distil = DistilStage(config, dataset, split, Popularity(split.train, split.n_items), backbone)
        # Both of its tasks are asked in every step.
        return distil.train_step, 2 * config.distill.batch_size, tokens
    if job.attention == OURS:
        backbone.prove()
        return FinetuneStage(config, dataset, split, backbone, random_prompt(config, backbone)).train_step, size, tokens
    titles = list(prompt_titles(dataset.catalogue, config.llm.show_year, config.llm.title_length))
    loop = PlainFinetune(config, backbone.model, backbone.encoder, titles, bucketed=job.bucketed)
    return lambda step: loop.step(task.batch(step)), size, tokens


def _measure(connection: Connection, job: Job, tiny: bool, device: str, steps: int) -> None:
    import torch

    from engine.environment import peak_memory_mb

    on_gpu = device.startswith("cuda")

    def settled() -> float:
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    try:
        step, size, tokens = stepper(job, tiny, device)
        for number in range(WARM):
            step(number)
        busy, ended = list[float](), threading.Event()
        watch = threading.Thread(target=_watch, args=(busy, ended), daemon=True)
        began = settled()
        if on_gpu:
            watch.start()
        for number in range(WARM, WARM + steps):
            torch.manual_seed(number)
            step(number)
        seconds = (settled() - began) / steps
        ended.set()
        peak = torch.cuda.max_memory_allocated() / 1e6 if on_gpu else peak_memory_mb()
        connection.send(Took(size / seconds, seconds, peak, statistics.mean(busy) if busy else None, tokens))
    except Exception as error:  # one line of several: memory that runs out is a finding
        connection.send(f"{type(error).__name__}: {str(error).splitlines()[0][:90]}")


def _watch(busy: list[float], ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_SECONDS):
        told = subprocess.run(BUSY, capture_output=True, text=True, check=False).stdout.strip()
        if told.isdecimal():
            busy.append(float(told))


def measured(job: Job, tiny: bool, device: str, steps: int) -> Took | str:
    """What the job took, or why it could not be done."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, job, tiny, device, steps), daemon=True)
    process.start()
    theirs.close()
    try:
        answer: Took | str = mine.recv()
    except EOFError:
        answer = "its process ended"
    process.join()
    return answer


def line(job: Job, took: Took | str) -> str:
    """For people."""
    if isinstance(took, str):
        return f"{job.title:<52} {took}"
    busy = "-" if took.busy is None else f"{took.busy:.0f} %"
    return f"{job.title:<52} {took.speed:>9.1f} {took.seconds:>8.3f} {took.peak_mb:>9.0f} {busy:>6} {took.tokens:>7.0f}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="cuda")
    options.add_argument("--steps", type=int, default=50)
    options.add_argument("--tiny", action="store_true", help="models of two layers")
    given = options.parse_args()
    kinds = ["sdpa", *(["flash_attention_2"] if find_spec("flash_attn") else [])]
    plain = [
        Job(f"transformers + peft, {kind}, {'by length' if by else 'padded'}", "finetune", "quickstart", kind, by)
        for kind in kinds
        for by in (False, True)
    ]
    paper = [Job(f"paper, stage {n}", stage, "paper") for n, stage in ((1, "distil"), (2, "finetune"))]
    ours = Job("stage 2", "finetune", "quickstart")
    print(f"{'':<52} {'prompts/s':>9} {'s/step':>8} {'MB':>9} {'busy':>6} {'tokens':>7}", flush=True)
    found: dict[Job, Took | str] = {}
    for job in (ours, *plain, *paper):
        found[job] = measured(job, given.tiny, given.device, given.steps)
        print(line(job, found[job]), flush=True)
    first = found[ours]
    best = max((took.speed for job in plain if isinstance(took := found[job], Took)), default=0.0)
    if isinstance(first, Took) and best:
        print(f"stage 2 beside the fastest plain loop: {first.speed / best:.2f} (wanted: {LEAST_RATIO})")
    config = load_config("paper")
    budget = zip(paper, (config.distill.steps, config.finetune.steps), strict=True)
    hours = [took.seconds * steps / 3600 for job, steps in budget if isinstance(took := found[job], Took)]
    if len(hours) == len(paper) and not given.tiny:
        print(f"all steps of paper: {hours[0]:.1f} h and {hours[1]:.1f} h, without validation")


if __name__ == "__main__":
    main()
