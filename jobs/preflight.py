"""What would get in a run's way, found before it is queued: quick looks that load no data and no model."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import psutil

from engine import environment, quantization
from engine.backbones import SMOLLM2, TINY
from engine.config import RunConfig
from engine.errors import StudioError
from engine.labels import plural
from engine.locations import (
    data_fault,
    data_presence,
    known_facts,
    model_folder,
    model_presence,
    other_run,
    settled,
)
from engine.memory import activations_mb, refuse_too_large, training_mb
from engine.paths import home
from engine.run_folder import RunFolder
from jobs import workers
from jobs.forecast import Forecast
from jobs.resources import Resources, needs, only_on_cpu, own_gpus

CheckState = Literal["ok", "note", "problem"]
GB = 1e9
RUN_GB = 0.5
"""Checkpoints, adapter, predictions and log of a run."""
FETCH_GB = 2.0
"""A language model as it is fetched and as it is kept."""
LOADED_MB = 1200.0
"""Libraries, data and teacher in memory."""
ITEM_TOKENS, OTHER_TOKENS = 12, 80
"""Generous lengths of a title and of all else in a prompt; the preview counts them exactly."""
GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
FEWEST_STEPS = 2
"""Importance must be seen in one step before the final allocation in another (AdaLoRA)."""


@dataclass(frozen=True)
class Check:
    """One look. ``note``: it may work, but is worth knowing; ``problem``: the run would fail."""

    name: str
    state: CheckState
    detail: str
    remedy: str = ""


def preflight(config: RunConfig, expected: Forecast) -> list[Check]:
    """All looks at one configuration; takes milliseconds. ``expected`` is its forecast."""
    return [check for run_check in CHECKS for check in run_check(config, expected)]


def refuse_problems(config: RunConfig, expected: Forecast) -> None:
    """Raise :class:`StudioError` for the first problem."""
    for check in preflight(config, expected):
        if check.state == "problem":
            raise StudioError(check.detail, where=check.name, remedy=check.remedy)


def _data(config: RunConfig, _: Forecast) -> Iterator[Check]:
    own = config.data
    if fault := data_fault(own):
        yield Check("Data", "problem", fault.what, fault.remedy)
    elif data_presence(own) == "to be fetched":
        yield Check("Data", "note", f"{own.dataset} is fetched at the start", "without a network, set data.path")
    else:
        yield Check("Data", "ok", f"{own.dataset} is on this machine")


def _teacher(config: RunConfig, _: Forecast) -> Iterator[Check]:
    for warning in config.teacher.warnings():
        yield Check("Teacher", "note", warning, "leave it as it is by default")


def _model(config: RunConfig, _: Forecast) -> Iterator[Check]:
    name = config.llm.name
    try:
        quantization.check(config.llm.weights, name)
    except StudioError as error:
        if not _waits(config):
            yield Check("Language model", "problem", error.what, error.remedy)
            return
        yield Check("Language model", "note", f"here {error.what}", error.remedy)  # a worker elsewhere may have it
    match model_presence(name):
        case "unknown":
            remedy = f"choose {SMOLLM2}, {', '.join(TINY)}, an existing folder, or a hub id such as a/b"
            yield Check("Language model", "problem", f"{name!r} is not known", remedy)
        case "to be fetched":
            yield Check("Language model", "note", f"{name} is fetched at the start", "without a network, use a folder")
        case _:
            yield Check("Language model", "ok", f"{name} is on this machine")


def _layers_and_context(config: RunConfig, _: Forecast) -> Iterator[Check]:
    facts = _facts(config)
    layers, top = facts.get("num_hidden_layers"), config.finetune.top_layers
    if config.finetune.enabled and layers and top and top > layers:
        detail = f"{config.llm.name} has {layers} layers, fewer than finetune.top_layers={top}"
        yield Check("Ranks and layers", "problem", detail, "lower it, or leave it empty for all")
    items = config.data.history + config.data.candidates
    length = ITEM_TOKENS * items + OTHER_TOKENS + config.distill.soft_tokens
    context = facts.get("max_position_embeddings")
    if not context:
        return
    text = f"prompts of up to about {length} tokens, {context} fit"
    if length <= context:
        yield Check("Prompt length", "ok", text)
    else:
        remedy = "lower data.history or data.candidates; the Prompts tab counts exactly"
        yield Check("Prompt length", "note", text, remedy)


def _ranks(config: RunConfig, _: Forecast) -> Iterator[Check]:
    own = config.finetune
    if not own.enabled:
        return
    if own.steps < FEWEST_STEPS:
        detail = f"AdaLoRA cannot allocate ranks in {own.steps} step"
        yield Check("Ranks and layers", "problem", detail, f"set finetune.steps to {FEWEST_STEPS} or more")
        return
    width = _facts(config).get("hidden_size")
    if width and own.init_r > width:
        detail = f"finetune.init_r={own.init_r} is more than the model's width of {width}"
        yield Check("Ranks and layers", "note", detail, "higher ranks than the width add nothing")
    else:
        yield Check("Ranks and layers", "ok", f"from rank {own.init_r} to a mean of {own.target_r}")


def _device(config: RunConfig, _: Forecast) -> Iterator[Check]:
    if _waits(config):  # for whom is looked at as Worker
        return
    gpu = has_gpu()
    for setting, device in (("llm.device", config.llm.device), ("teacher.device", config.teacher.device)):
        if (device.startswith("cuda") and not gpu) or (device == "mps" and sys.platform != "darwin"):
            yield Check("Device", "problem", f"this machine has no {device}", f"set {setting} to auto or cpu")
            return
    if gpu and config.llm.device != "cpu":
        yield Check("Device", "ok", "a GPU is here")
    elif config.llm.dtype == "bfloat16" and not environment.has_bf16():
        yield Check("Device", "note", "this processor has no bf16 instructions", "llm.dtype=auto is faster here")
    else:
        yield Check("Device", "ok", "the processor does the work")


def _waits(config: RunConfig) -> bool:
    """Whether the run says what a worker must have, so that this machine need not have it."""
    return config.run.device != "any" or config.run.memory is not None


def _worker(config: RunConfig, _: Forecast) -> Iterator[Check]:
    if not _waits(config):
        return
    needed = needs(config)
    lacks = {it.process.host: Resources.of(it.offers).lacks(needed) for it in workers.living()}
    able = [host for host, lack in lacks.items() if not lack]
    if able:
        yield Check("Worker", "ok", f"a worker on {able[0]} has what run.device and run.memory ask for")
    else:
        why = "; ".join(f"{host}: {lack}" for host, lack in lacks.items()) or "no worker is there"
        yield Check("Worker", "note", f"no worker has what the run asks for ({why})", "it waits until one comes")


def _processes(config: RunConfig, _: Forecast) -> Iterator[Check]:
    count = config.run.processes
    if count == 1 or _waits(config):
        return
    on_gpus = 0 if only_on_cpu(config) else environment.gpu_count()
    there, what = (on_gpus, "GPU") if on_gpus else (environment.cores(), "core")
    if count > there:
        remedy = f"set run.processes to at most {there}"
        yield Check("Processes", "problem", f"{count} processes, and this machine has {plural(there, what)}", remedy)
    else:
        yield Check("Processes", "ok", f"{count} processes share {plural(there, what)}")


def _placement(config: RunConfig, _: Forecast) -> Iterator[Check]:
    placement = config.run.placement
    if placement == "whole" or _waits(config):
        return
    if placement == "sharded" and config.run.processes == 1:
        what, remedy = "one process has nobody to share the weights with", "set run.processes to at least 2"
    elif placement == "offloaded" and not has_gpu():
        what, remedy = "weights are offloaded from a GPU, and none is here", "set run.placement=whole"
    else:
        return
    yield Check("Weights", "problem", what, remedy)


def has_gpu() -> bool:
    """Whether this machine seems to have one, by its device files (NVIDIA, AMD, WSL) or because it is a Mac."""
    return sys.platform == "darwin" or any(map(os.path.exists, GPU_FILES))


def _other_run(config: RunConfig, _: Forecast) -> Iterator[Check]:
    named = settled(config).distill.prompt_run
    if named is None:
        return
    folder = other_run(named, home() / "runs")
    run = RunFolder(folder)
    if run.soft_prompt.is_file():
        try:
            run.files.checked(run.soft_prompt)
            yield Check("Soft prompt", "ok", f"run {named} has one")
        except StudioError as error:
            yield Check("Soft prompt", "problem", f"{error.what} ({error.where})", error.remedy)
    elif not (_waits(config) and folder.parent != home() / "runs"):  # a folder of another machine is looked at there
        remedy = "name a run that is done, by its id or folder"
        yield Check("Soft prompt", "problem", f"run {named} has no soft prompt, or was deleted", remedy)


def _disk(config: RunConfig, _: Forecast) -> Iterator[Check]:
    place = home()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / GB
    needed_gb = RUN_GB + FETCH_GB * (model_presence(config.llm.name) == "to be fetched")
    needed_gb += activations_mb(config, _facts(config)) / 1000
    text = f"{free:.1f} GB free, about {needed_gb:.1f} GB wanted"
    if free >= needed_gb:
        yield Check("Disk", "ok", text)
    else:
        yield Check("Disk", "note", text, "delete old runs, or set DELREC_HOME to a larger disk")


def _memory(config: RunConfig, expected: Forecast) -> Iterator[Check]:
    on_gpu = config.llm.device != "cpu" and (config.run.device == "gpu" or (has_gpu() and not _waits(config)))
    if not (on_gpu or _waits(config)):
        try:
            refuse_too_large(config.llm, _facts(config), psutil.virtual_memory().total / 1e6, "this machine")
        except StudioError as error:
            yield Check("Memory", "problem", error.what, error.remedy)
            return
    free = psutil.virtual_memory().available / 1e6
    if (planned := training_mb(config, _facts(config))) is not None:
        yield _training_memory(config, planned, _gpu_mb(config) if on_gpu else free, on_gpu)
        return
    needed_mb = expected.memory_mb or weights_mb(config)
    if needed_mb is None:
        yield Check("Memory", "ok", f"{free / 1000:.1f} GB free; what the model takes is known once it is here")
    elif needed_mb < free:
        yield Check("Memory", "ok", f"{free / 1000:.1f} GB free, about {needed_mb / 1000:.1f} GB wanted")
    else:
        detail = f"{free / 1000:.1f} GB free, about {needed_mb / 1000:.1f} GB wanted"
        yield Check("Memory", "note", detail, "take a smaller model, llm.dtype=bfloat16 or a lower llm.micro_batch")


def _training_memory(config: RunConfig, planned: float, there: float, on_gpu: bool) -> Check:
    """Of the estimate beside what is there: a GPU's memory for each process, or what is free here for all of them."""
    one, several = training_mb(config, _facts(config), 1) or 0.0, config.run.processes
    text = f"{config.llm.name}, {plural(config.distill.soft_tokens, 'soft token')}: about {one / 1000:.1f} GB"
    text += f" with one prompt at a time, {planned / 1000:.1f} GB with llm.micro_batch={config.llm.micro_batch}"
    text += f", in each of {several} processes" if several > 1 else ""
    if on_gpu and not there:
        return Check("Memory", "ok", f"{text}; what the GPU has is seen when the run starts")
    text += f"; the GPU has {there / 1000:.1f} GB" if on_gpu else f"; {there / 1000:.1f} GB free"
    if planned * (1 if on_gpu else several) < there:
        return Check("Memory", "ok", text)
    lower = "lower llm.micro_batch, or set llm.checkpointing=true, llm.dtype=bfloat16 or llm.weights=4bit"
    lower += ", or run.placement=sharded" * (several > 1 and config.run.placement == "whole")
    lower += ", or run.placement=offloaded" * (on_gpu and config.run.placement == "whole")
    return Check("Memory", "note", text, lower)


def _gpu_mb(config: RunConfig) -> float:
    """Memory of the largest GPU that the run may get: of this machine, or of the workers; 0: nobody knows."""
    offers = [Resources.of(it.offers).gpus for it in workers.living()] if _waits(config) else [own_gpus()]
    return max((gpu.memory_mb for gpus in offers for gpu in gpus), default=0.0)


def weights_mb(config: RunConfig) -> float | None:
    """Memory in MB by the size of the model's files, doubled for gradients and copies; None if they are not here."""
    folder = model_folder(config.llm.name)
    if folder is None:
        return LOADED_MB if config.llm.name in TINY else None
    return 2 * sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6 + LOADED_MB


def _facts(config: RunConfig) -> Mapping[str, Any]:
    return known_facts(config.llm.name)


CHECKS: tuple[Callable[[RunConfig, Forecast], Iterator[Check]], ...] = (
    _data,
    _teacher,
    _model,
    _layers_and_context,
    _ranks,
    _device,
    _worker,
    _processes,
    _placement,
    _other_run,
    _disk,
    _memory,
)
