"""What steps and questions take from the host to a model goes there in one way, which does not wait on a GPU."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from stage_world import make_world
from torch.overrides import TorchFunctionMode

from engine import transfer
from engine.distill.stage import DistilStage
from engine.finetune.stage import FinetuneStage
from engine.llm import SoftPrompt

TO_A_DEVICE = {torch.tensor, torch.as_tensor, torch.Tensor.to, torch.Tensor.cuda}


class Copies(TorchFunctionMode):
    """Which calls took whole numbers, as tokens, items and places are, to a device past the one way."""

    def __init__(self) -> None:
        super().__init__()
        self.past, self.by_the_way, self.inside = list[str](), 0, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        device = [it for it in (*args[1:], named.get("device")) if isinstance(it, (torch.device, str))]
        found = func(*args, **named)
        if func in TO_A_DEVICE and device and not self.inside and not found.is_floating_point():
            self.past.append(f"{func.__name__} {tuple(found.shape)}")
        return found


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Copies]:
    copies, own = Copies(), transfer.to_device

    def counted(*given: Any) -> torch.Tensor:
        copies.inside, copies.by_the_way = True, copies.by_the_way + 1
        try:
            return own(*given)
        finally:
            copies.inside = False

    for module in [it for name, it in sys.modules.items() if name.startswith("engine.")]:
        if vars(module).get("to_device") is own:
            monkeypatch.setattr(module, "to_device", counted)
    with copies:
        yield copies


def distilled(world: Any) -> Callable[[], object]:
    stage = DistilStage(world.config, world.dataset, world.split, world.teacher, world.backbone)
    return lambda: (stage.train_step(0), stage.validate())


def finetuned(world: Any) -> Callable[[], object]:
    soft = SoftPrompt.from_vocabulary(world.backbone, 4, 0)
    stage = FinetuneStage(world.config, world.dataset, world.split, world.backbone, soft, world.teacher)
    return lambda: (stage.train_step(0), stage.validate())


@pytest.mark.parametrize("stage", [distilled, finetuned])
@pytest.mark.parametrize("form", ["candidates", "sequence"])
def test_steps_and_validations_copy_in_one_way(
    stage: Callable[[Any], Callable[[], object]], form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = stage(make_world(form=form))
    work()  # what is made once is there
    with watched(monkeypatch) as copies:
        work()
    assert copies.by_the_way > 0
    assert copies.past == []


def test_a_copy_past_the_one_way_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch) as copies:
        torch.tensor([1, 2], device="cpu")
        torch.arange(2).to(torch.device("cpu"))
        torch.as_tensor([0.5], device="cpu")
    assert copies.past == ["tensor (2,)", "to (2,)"]


def test_the_processor_gets_no_copy_and_other_kinds_of_values_are_what_they_were() -> None:
    cpu, ids = torch.device("cpu"), torch.arange(6).view(2, 3)
    assert transfer.to_device(ids, cpu) is ids
    for values in (ids, ids.numpy(), ids.tolist()):
        assert transfer.to_device(values, cpu).equal(ids)
    assert transfer.to_device(np.array([1], np.int32), cpu, torch.int64).dtype == torch.int64
    assert transfer.to_device([], cpu, torch.int64).shape == (0,)


@pytest.mark.parametrize(
    ("there", "here", "pinned", "waits"),
    [("cuda", "cpu", 1, False), ("mps", "cpu", 0, True), ("cuda", "cuda", 0, True)],
)
def test_to_a_gpu_it_goes_by_pinned_memory_and_nobody_waits(
    there: str, here: str, pinned: int, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a stand-in: no GPU is asked."""
    told: list[Any] = []

    class Standing:
        device = SimpleNamespace(type=here)

        def pin_memory(self) -> Standing:
            told.append("pinned")
            return self

        def to(self, device: torch.device, non_blocking: bool = False) -> Standing:
            told.append((device.type, not non_blocking))
            return self

    monkeypatch.setattr(torch, "as_tensor", lambda values, dtype=None: values)
    transfer.to_device(Standing(), torch.device(there))  # type: ignore[arg-type]
    assert told == ["pinned"] * pinned + [(there, waits)]
