"""The one training loop: progress, cancellation, checkpoints, early stopping and best weights.

Stages only say what a step and a validation are (:class:`Trainable`). Randomness is reseeded before every step from
(seed, stage, step), and batches are drawn from the step's number, so a resumed run takes exactly the steps that an
uninterrupted one would have taken. Of several processes (:mod:`engine.distributed`) each takes every step with its
share of the batch; the first decides and writes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine import distributed
from engine.errors import Cancelled, StudioError
from engine.monitor import Monitor
from engine.seeds import derive

Tensors = Mapping[str, Tensor]


class Trainable(Protocol):
    """What a stage brings to the loop."""

    def train_step(self, step: int) -> dict[str, float]:
        """Take step number ``step`` (from 0); returns finite values for the curves."""
        ...

    def validate(self) -> dict[str, float]:
        """Validation metrics; must not touch random state or weights."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All tensors needed to continue exactly: weights, optimizer, rank allocator."""
        ...

    def load_state(self, tensors: Tensors) -> None:
        """Put back what :meth:`state` returned."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """The tensors whose best version the stage keeps."""
        ...

    def load_weights(self, tensors: Tensors) -> None:
        """Put back what :meth:`weights` returned."""
        ...


@dataclass(frozen=True)
class FitArguments:
    """How long to train and what to watch."""

    name: str
    steps: int
    seed: int
    select: str
    """Validation metric that picks the best weights; higher is better."""
    validate_every: int
    patience: int = 0
    """Validations without a better value before stopping early; 0 trains all steps."""
    unit: str = "step"
    lr: str = ""
    """The setting to blame where training diverges, with its value."""
    keep_untrained: bool = True
    """Whether the untrained weights take part in the choice of the best."""
    checkpoint_seconds: float = 30.0


@dataclass
class FitState:
    """Where training stands; stored with every checkpoint."""

    step: int = 0
    best_step: int = 0
    best_value: float = -float("inf")
    stale: int = 0
    seconds: float = 0.0


def fit(stage: Trainable, plan: FitArguments, checkpoint: Path, monitor: Monitor) -> FitState:
    """Train ``stage`` by ``plan`` and leave its best weights in place.

    Continues from ``checkpoint`` where that file exists; the caller removes it once the stage's result is stored.
    Unless the plan leaves them out, the untrained weights are validated first, so training never ends below where it
    began.

    Raises:
        Cancelled: the monitor asked to stop; the checkpoint is written first.
        StudioError: training diverged: a loss or the validation metric is not finite.
    """
    progress, best = _load(stage, checkpoint)
    distributed.barrier()  # all have read it before it is written again
    began = time.monotonic() - progress.seconds
    saved = time.monotonic()

    def validate() -> None:
        nonlocal best
        values = distributed.broadcast(stage.validate())
        refuse_infinite({plan.select: values[plan.select]})
        monitor.metrics(plan.name, progress.step, {f"validation.{key}": value for key, value in values.items()})
        if values[plan.select] > progress.best_value:
            progress.best_value, progress.best_step, progress.stale = values[plan.select], progress.step, 0
            best = _copy(stage.weights())
        else:
            progress.stale += 1

    def refuse_infinite(values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise diverged(plan.unit, progress.step, f"its {name} is not finite", plan.lr)

    def save() -> None:
        nonlocal saved
        progress.seconds = time.monotonic() - began
        if distributed.is_main_process():
            _save(stage, progress, best, checkpoint)
        saved = time.monotonic()

    monitor.progress(plan.name, progress.step, plan.steps)
    if not best and plan.keep_untrained:
        validate()
    while progress.step < plan.steps and not (plan.patience and progress.stale >= plan.patience):
        if monitor.should_stop():
            save()
            raise Cancelled
        torch.manual_seed(derive(plan.seed, plan.name, progress.step))
        values = stage.train_step(progress.step)
        progress.step += 1
        refuse_infinite(values)
        monitor.metrics(plan.name, progress.step, values)
        monitor.progress(plan.name, progress.step, plan.steps)
        if progress.step % plan.validate_every == 0 or progress.step == plan.steps:
            validate()
        if time.monotonic() - saved >= plan.checkpoint_seconds:
            save()
    stage.load_weights(best)
    progress.seconds = time.monotonic() - began
    return progress


def diverged(unit: str, step: int, why: str, lr: str) -> StudioError:
    """Training that leads nowhere, at ``step`` (from 1); ``lr`` is the setting of the learning rate with its value."""
    remedy = "lower it" if lr.startswith("teacher") else "lower it, or set llm.dtype=float32"
    return StudioError(f"training diverged at {unit} {step}: {why}", where=lr, remedy=remedy)


def write_atomically(tensors: Tensors, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write safetensors so that ``path`` is either the old file or the whole new one, also after a power cut.

    Of several processes that work together only the first writes.

    Raises:
        StudioError: the disk is full or the folder cannot be written.
    """
    if not distributed.is_main_process():
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial, metadata)
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        remedy = "make room or allow writing there, then resume the run"
        raise StudioError(f"could not write the file: {error}", where=str(path), remedy=remedy) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's moments as flat tensors ``optimizer/<parameter>/<name>``, for :meth:`Trainable.state`."""
    return {
        f"optimizer/{index}/{name}": tensor
        for index, values in optimizer.state_dict()["state"].items()
        for name, tensor in values.items()
    }


def load_optimizer_state(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put back what :func:`optimizer_state` returned; other tensors are ignored, settings stay the optimizer's own."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        section, _, place = key.partition("/")
        if section == "optimizer":
            index, _, name = place.partition("/")
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _save(stage: Trainable, progress: FitState, best: Tensors, path: Path) -> None:
    tensors = {f"state/{name}": tensor for name, tensor in _copy(stage.state()).items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    write_atomically(tensors, path, {"progress": json.dumps(asdict(progress))})


def _load(stage: Trainable, path: Path) -> tuple[FitState, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            progress = FitState(**json.loads(file.metadata()["progress"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        return FitState(), {}
    except (SafetensorError, KeyError, TypeError, ValueError):  # damaged: start over rather than lose the run
        path.unlink(missing_ok=True)
        return FitState(), {}
    stage.load_state({name.removeprefix("state/"): t for name, t in tensors.items() if name.startswith("state/")})
    return progress, {name.removeprefix("best/"): t for name, t in tensors.items() if name.startswith("best/")}


def _copy(tensors: Tensors) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
