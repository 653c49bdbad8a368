"""The engine's own ways to read a prompt are fast, and right for some architectures only: each has to prove itself.

A text of random tokens is read by the model's own forward pass, whole, from token ids to logits, and then in the
engine's ways. What agrees at every token of a text agrees for every shorter one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from engine.errors import StudioError, first_line
from engine.llm.attention import Span
from engine.llm.decoder import packed_forward
from engine.llm.norm import fuse_norms
from engine.llm.transformers_forward import TransformersForward
from engine.seeds import generator
from engine.watchdog import is_connection_error

Way = Literal["packed", "cached", "whole"]
"""``packed``: :func:`engine.llm.decoder.packed_forward`. By the library, many texts behind one prompt: ``cached``: the
prompt is computed once; ``whole``: anew for each."""

TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.25}
"""Largest relative error of a state. SmolLM2's are 2e-6 and .07; a window that ends within the text makes them .5."""
HEAD_TOLERANCE = {torch.float32: 1e-3, torch.float16: 5e-3, torch.bfloat16: 3e-2}
"""The same of one state's logits."""
TAIL = 8
"""States whose logits are compared."""
LOUD = 300.0
"""Logits this large show any cap."""
GAIN = 2.0
"""Untrained models attend to all tokens alike, and would hide how positions and scores enter. Queries and keys below
this root mean square are brought up to it for the proof; those of trained models lie above."""


@dataclass(frozen=True)
class ChosenForward:
    """The way that agrees, and why a faster one does not."""

    way: Way
    reason: str = ""


def verify_forward(
    library: TransformersForward, ordinary: Sequence[int], length: int, name: str, beginnings: Sequence[int] = ()
) -> ChosenForward:
    """The fastest way to read texts of up to ``length`` tokens that agrees with the model's own.

    Where that is ``packed``, the model's norms are replaced by faster ones.

    Args:
        ordinary: ids of tokens of plain text.
        name: of the model, for messages.
        beginnings: lengths of beginnings of the text that the model must read as it does alone.

    Raises:
        StudioError: none does, or the model's answers are no numbers.
    """
    decoder = library.decoder
    device = library.core.get_input_embeddings().weight.device
    drawn = generator(0, "proof").choice(ordinary, length)
    ids = torch.as_tensor(drawn, dtype=torch.int64, device=device)
    with torch.no_grad(), _attentive(decoder):
        try:
            expected = _own(library, ids)[0]
        except Exception as error:  # kernels that are not installed, number formats that a model does not bear, …
            if is_connection_error(error):  # of split weights
                raise
            raise StudioError(
                f"Transformers itself cannot read a text with {name}: {first_line(error)}",
                where="llm.name",
                remedy="install what it asks for, try llm.dtype=float32, or use another model",
            ) from None
        if not expected.isfinite().all():
            raise StudioError(
                f"{name} answers with what is no number",
                where="llm.name",
                remedy="try llm.dtype=float32; if that does not help, its weights are damaged",
            )
        inputs = library.core.get_input_embeddings()(ids)
        for part in beginnings:

            def alone(part: int = part) -> Tensor:
                return library.states(inputs[None, :part])[0]

            if _error(alone, expected[:part]) is not None:
                raise StudioError(
                    f"{name} reads a text of more than {part} tokens otherwise from its first token on, so that prompts"
                    " of different lengths cannot be compared",
                    where="data.history, data.candidates, distill.soft_tokens",
                    remedy=f"keep prompts and titles behind them within {part} tokens",
                )
        undo = fuse_norms(decoder)
        packed = _error(lambda: _packed(decoder, inputs), expected)
        if packed is None:
            return ChosenForward("packed")
        undo()
        ways: tuple[tuple[Way, Callable[[], Tensor]], ...] = (
            ("cached", lambda: _continued(library, inputs, cached=True)),
            ("whole", lambda: _continued(library, inputs, cached=False)),
        )
        for way, states in ways:
            if _error(states, expected) is None:
                return ChosenForward(way, packed)
    raise StudioError(
        f"what {name} makes of a text does not follow, token by token, from the embeddings before it",
        where="llm.name",
        remedy="use a model that writes from left to right; where only long prompts fail, shorten them",
    )


def verify_head(library: TransformersForward, ordinary: Sequence[int], name: str) -> bool:
    """Whether logits are states times output embeddings; if not, :meth:`TransformersForward.logits` knows them.

    Raises:
        StudioError: neither is so.
    """
    embedding = library.core.get_input_embeddings()
    ids = torch.as_tensor(generator(0, "proof").choice(ordinary, 2 * TAIL), device=embedding.weight.device)
    with torch.no_grad():
        states, expected = _own(library, ids)
        states = states[-TAIL:]
        if (differing := _error(lambda: library.logits(states), expected, HEAD_TOLERANCE)) is not None:
            raise StudioError(
                f"it is not known how {name} comes from states to words: {differing}",
                where="llm.name",
                remedy="use another model",
            )
        output = library.core.get_output_embeddings()
        if output is None or states.shape[1] != output.weight.shape[1]:
            raise StudioError(
                f"{name} has no output embeddings of its states' width", where="llm.name", remedy="use another model"
            )
        largest = (states @ output.weight.T).float().abs().max().clamp(min=1e-6)
        both = torch.cat([states, states * (LOUD / largest).to(states)])
        return _error(lambda: both @ output.weight.T, library.logits(both), HEAD_TOLERANCE) is None


def _own(library: TransformersForward, ids: Tensor) -> tuple[Tensor, Tensor]:
    """States after the final norm ``[T, width]`` and the last logits ``[TAIL, vocabulary]`` of the model itself."""
    seen: list[Any] = []
    handle = library.decoder.register_forward_hook(lambda _, __, output: seen.append(output))
    try:
        output = library.core(input_ids=ids[None], use_cache=False, logits_to_keep=TAIL)
    finally:
        handle.remove()
    dtype = library.core.get_input_embeddings().weight.dtype
    return seen[-1][0][0].to(dtype), output.logits[0, -TAIL:].to(dtype)


def _packed(decoder: Any, inputs: Tensor) -> Tensor:
    """The text as a stem, a prompt that begins with it, and a continuation: the places that prompts have."""
    T = len(inputs)
    stem = Span(0, T // 2)
    prompt = Span(T // 2, T - T // 8, (stem,))
    rest = T - prompt.end
    seen = torch.ones(rest, rest, dtype=torch.bool, device=inputs.device).tril()
    spans = [stem, prompt, Span(prompt.end, T, prompt.path, seen)]
    return packed_forward(decoder, inputs, torch.arange(T, device=inputs.device), spans, range(T))


def _continued(library: TransformersForward, inputs: Tensor, *, cached: bool) -> Tensor:
    half = len(inputs) // 2
    prompt, text = inputs[:half], inputs[half:]
    end, behind = library.continued(prompt, [text.flip(0), text], cached=cached)
    before = library.states(prompt[None])[0, :-1]
    return torch.cat([before, end[None], behind[-1]])


def _error(
    states: Callable[[], Tensor], expected: Tensor, tolerance: dict[torch.dtype, float] = TOLERANCE
) -> str | None:
    """What is wrong with them, row by row; ``None``: nothing."""
    try:
        found = states()
    except Exception as error:  # another architecture has other parts, and misses them in its own ways
        if is_connection_error(error):
            raise
        return f"its layers are built otherwise ({type(error).__name__})"
    if found.shape != expected.shape:
        return "its states have another shape"
    distance = (found.float() - expected.float()).norm(dim=1) / expected.float().norm(dim=1).clamp(min=1e-6)
    largest = float(distance.max())
    return None if largest <= tolerance[expected.dtype] else f"relative error {largest:.2g} in {len(expected)} tokens"


@contextlib.contextmanager
def _attentive(decoder: Any) -> Iterator[None]:
    """Within, queries and keys are strong enough for attention to choose."""

    def strengthened(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        size = output.float().square().mean(-1, keepdim=True).sqrt().clamp(min=1e-6)
        return output * (GAIN / size).clamp(min=1).to(output.dtype)

    handles = []
    for block in getattr(decoder, "layers", []):
        for part in ("q_proj", "k_proj"):
            module = getattr(getattr(block, "self_attn", None), part, None)
            if isinstance(module, nn.Module):
                handles.append(module.register_forward_hook(strengthened))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
