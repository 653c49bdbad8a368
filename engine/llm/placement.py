"""Frozen weights that a process does not hold whole: a share of each block, or none but what the host's memory keeps.

FSDP2 (``torch.distributed.fsdp.fully_shard``) holds the shares and puts a block together. Its hooks around forward and
backward passes are not used, nor Accelerate's plugin, which counts on them: they want all processes to come to every
block in step, while here each asks its own, unequal share of prompts, some of them behind blocks that it remembers. So
blocks are put together for whoever needs one, when the others come to theirs or to an exchange
(:class:`SplitBlocks`). Linear layers fetch their weight where they use it, in backward passes once more,
and whichever forward pass calls them; norms, biases and embeddings stay whole, and so do adapters, which learn.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard
from torch.nn.functional import linear

from engine import distributed
from engine.config import Placement
from engine.errors import StudioError
from engine.llm.backbone import LINEAR, Backbone

NONE = -1
"""Where another number would be that of a block."""


def place(backbone: Backbone, placement: Placement, device: torch.device) -> Backbone:
    """``backbone`` on ``device``, the matrices of its blocks as ``placement`` says.

    Alone a process has nobody to share with, and on a processor there is no other memory: then they are there whole, as
    for whoever looks at a run that was made otherwise.

    Raises:
        StudioError: a model whose blocks cannot be put together when they are needed.
    """
    alone = placement == "sharded" and distributed.world_size() == 1
    if placement == "whole" or alone or (placement == "offloaded" and device.type != "cuda"):
        return backbone.to(device)
    split_weights(backbone, device, offload=placement == "offloaded")
    return backbone


def split_weights(backbone: Backbone, device: torch.device, *, offload: bool) -> SplitBlocks:
    """Bring ``backbone`` to ``device``, but for the matrices in its blocks' linear layers: of these each process keeps
    its share, in the memory of the host with ``offload``.

    Raises:
        StudioError: the blocks have no such layers.
    """
    # A layer of another type, such as a quantized one, may calculate otherwise.
    found = [
        [part for part in backbone.model.get_submodule(name).modules() if type(part) in LINEAR]
        for name in backbone.layers()
    ]
    if not any(found):
        raise StudioError(
            f"the blocks of {backbone.name} have no linear layers whose weights could be shared out or kept elsewhere",
            where="run.placement",
            remedy="set run.placement=whole",
        )
    store = SplitBlocks([[part.weight for part in block] for block in found if block], device, offload=offload)
    for number, block in enumerate(block for block in found if block):
        for place, part in enumerate(block):
            _fetch_weight(part, partial(store.weight, number, place), device)
    backbone.to(device)
    return store


class SplitBlocks:
    """Matrices by block, of which at most one block is whole at a time, whatever models there are.

    Nobody knows when another process comes to a block, nor to which, nor of which model. So each says what it wants
    whenever it wants one or has come to an exchange, and all put all of that together, in one order, by numbers that
    all give alike. That begins with the first question, the proof of how texts are read, which all ask at one point:
    before it one of them reads a model while others wait.

    Args:
        blocks: the matrices of each.
        device: where they are used.
        offload: shares lie in the memory of the host.
    """

    def __init__(self, blocks: Sequence[Sequence[nn.Parameter]], device: torch.device, *, offload: bool) -> None:
        if device.type == "cuda":
            torch.cuda.set_device(device)  # where FSDP puts blocks together
        mesh = distributed.mesh(device.type)
        policy = CPUOffloadPolicy(pin_memory=device.type == "cuda") if offload else OffloadPolicy()
        self.blocks = [_SplitBlock(block, mesh, policy) for block in blocks]
        self.numbers = [distributed.enlist(block) for block in self.blocks]

    def weight(self, number: int, place: int) -> Tensor:
        """A matrix of block ``number``, which is whole from now on until another one is."""
        block = self.blocks[number]
        if _whole() is not block:
            if distributed.world_size() > 1:
                distributed.before_exchanges(_serve)
            _put_together(self.numbers[number])
        found: Tensor = block.weights[place]
        return found


class _SplitBlock(nn.Module):
    """What FSDP puts together at once; its forward pass is never called."""

    def __init__(self, weights: Sequence[nn.Parameter], mesh: DeviceMesh, policy: OffloadPolicy) -> None:
        super().__init__()
        self.weights = nn.ParameterList(weights)
        self.shards = fully_shard(self, mesh=mesh, offload_policy=policy)


_WHOLE: list[weakref.ref[_SplitBlock]] = []
"""The block that is whole now, if any: one in a process, of whichever model."""


def _whole() -> _SplitBlock | None:
    return _WHOLE[0]() if _WHOLE else None


def _serve() -> None:
    """Put together what others want until all have come to an exchange."""
    while _put_together(NONE):
        pass


def _put_together(own: int) -> bool:
    """Do so for the block that all know as ``own``, which stays whole, and for what others want; false: nobody wants
    any."""
    requested = sorted({*distributed.all_gather_number(own)} - {NONE})
    with torch.inference_mode(False), torch.no_grad():
        if (before := _whole()) is not None:
            before.shards.reshard()
        _WHOLE.clear()
        for number in requested:
            block: _SplitBlock = distributed.enlisted(number)
            block.shards.unshard()
            if number == own:
                _WHOLE.append(weakref.ref(block))
            else:
                block.shards.reshard()
    return bool(requested)


def _fetch_weight(layer: Any, weight: Callable[[], Tensor], device: torch.device) -> None:
    """Have a linear layer ask for its ``weight``. What stands in its place has shape, format and device, and is no
    number: whoever reads it past the layer gets none."""
    nothing = torch.full((), torch.nan, dtype=layer.weight.dtype, device=device).expand(layer.weight.shape)
    turned = not isinstance(layer, nn.Linear)  # GPT-2's
    layer.weight = nn.Parameter(nothing, requires_grad=False)

    def forward(states: Tensor) -> Tensor:
        result: Tensor = _Linear.apply(states, layer.bias, weight, turned)  # type: ignore[no-untyped-call]
        return result

    layer.forward = forward


class _Linear(torch.autograd.Function):
    """``states [..., in]`` times a frozen weight that is not kept from the forward to the backward pass."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, bias: Tensor | None, weight: Callable[[], Tensor], turned: bool) -> Tensor:
        ctx.weight, ctx.turned = weight, turned
        return linear(states, weight().T if turned else weight(), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight = ctx.weight()
        return gradients[0] @ (weight.T if ctx.turned else weight), None, None, None
