"""Optimizer of both LLM stages: AdamW or Lion, warm-up and decay, clipping, fp32 masters of low-precision weights.

With bf16 weights the update happens on fp32 copies, so that small steps are not rounded away, while forward and
backward stay in bf16 throughout (PEFT's own fp32 adapters cast every activation back and forth, at half the speed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import torch
from lion_pytorch import Lion
from torch import Tensor, nn

from engine.config import RunConfig
from engine.training import Tensors, diverged, load_optimizer_state, optimizer_state


class OptimizerSettings(Protocol):
    """What a stage's section of the configuration says of its optimizer; perhaps ``head_lr`` too."""

    @property
    def steps(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def warmup(self) -> float: ...
    @property
    def clip(self) -> float: ...
    @property
    def optimizer(self) -> str: ...


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """Rate at ``step`` (from 0): linear rise over the share ``warmup`` of all steps, then linear fall towards zero.

    Never zero within ``0 <= step < steps``, and a function of the step alone, so a resumed run needs no scheduler.
    """
    rising = round(warmup * steps)
    if step < rising:
        return peak * (step + 1) / (rising + 1)
    return peak * (steps - step) / (steps - rising)


class StageOptimizer:
    """Updates named parameters by a stage's settings; its state is a flat dict of tensors."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], config: OptimizerSettings) -> None:
        """``parameters``: the tensors to train, any float dtype; names become keys of :meth:`state`.

        Those called ``head.…`` learn at the stage's ``head_lr``.

        Raises:
            ValueError: nothing to train.
        """
        if not parameters:
            raise ValueError("no parameters to train")
        self.config = config
        self.parameters = dict(parameters)
        self.masters = {
            name: p if p.dtype == torch.float32 else nn.Parameter(p.detach().float()) for name, p in parameters.items()
        }
        self.torch_optimizer: torch.optim.Optimizer
        heads = [name for name in self.masters if name.startswith("head.") and hasattr(config, "head_lr")]
        groups = [
            {"params": [p for name, p in self.masters.items() if name not in heads], "peak": config.lr},
            {"params": [self.masters[name] for name in heads], "peak": getattr(config, "head_lr", config.lr)},
        ]
        groups = [group for group in groups if group["params"]]
        if config.optimizer == "lion":
            self.torch_optimizer = Lion(groups, lr=config.lr, weight_decay=config.weight_decay)
        else:
            self.torch_optimizer = torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)

    def step(self, step: int) -> float:
        """Clip the gradients in ``parameters`` and apply them as step number ``step`` (from 0); returns the rate.

        Raises:
            StudioError: a gradient is infinite or not a number; nothing was changed.
        """
        rate = learning_rate(step, self.config.steps, self.config.lr, self.config.warmup)
        for group in self.torch_optimizer.param_groups:
            group["lr"] = rate * group["peak"] / self.config.lr
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                self.masters[name].grad = parameter.grad.float()
        norm = nn.utils.clip_grad_norm_(self.masters.values(), self.config.clip)
        if not torch.isfinite(norm):
            fields = RunConfig.model_fields.items()
            section = next(name for name, it in fields if it.annotation is type(self.config))
            raise diverged("step", step + 1, "its gradient is not finite", f"{section}.lr={self.config.lr}")
        self.torch_optimizer.step()
        self._publish()
        return rate

    def zero_grad(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.grad = self.masters[name].grad = None

    @contextmanager
    def full_precision(self) -> Iterator[None]:
        """Within, the parameters are their fp32 masters, gradients included; changes made in place are kept."""
        lowered = {name: p.data for name, p in self.parameters.items() if p is not self.masters[name]}
        for name in lowered:
            parameter, master = self.parameters[name], self.masters[name]
            parameter.grad = None
            parameter.data, parameter.grad = master.data, master.grad
        try:
            yield
        finally:
            for name, data in lowered.items():
                self.parameters[name].grad = None
                self.parameters[name].data = data
            self._publish()

    def state(self) -> dict[str, Tensor]:
        """The fp32 masters under ``master/<name>``, and the optimizer's moments."""
        masters = {f"master/{name}": master.data for name, master in self.masters.items()}
        return masters | optimizer_state(self.torch_optimizer)

    def load_state(self, tensors: Tensors) -> None:
        """Put back what :meth:`state` returned, parameters included; other tensors are ignored."""
        for name, master in self.masters.items():
            master.data.copy_(tensors[f"master/{name}"])
        load_optimizer_state(self.torch_optimizer, tensors)
        self._publish()

    @torch.no_grad()
    def _publish(self) -> None:
        for name, parameter in self.parameters.items():
            if parameter is not self.masters[name]:
                parameter.copy_(self.masters[name])
