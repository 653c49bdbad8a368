"""The forward pass of Llama, Mistral, Qwen2 and Qwen3 over a row of spans.

Transformers' own wants a padded batch, rotates queries and keys in twice as many passes, and carries every token
through the last layer, of which only the answers are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from engine.llm.activation_cache import ActivationCache
from engine.llm.attention import Span, Spans, attend, joined
from engine.transfer import to_device


def packed_forward(
    decoder: Any,
    inputs: Tensor,
    position: Tensor,
    spans: Sequence[Span],
    output_positions: Sequence[int],
    cache: ActivationCache | None = None,
    *,
    checkpointing: bool = False,
) -> Tensor:
    """States after the final norm at the places ``output_positions`` of a row.

    Args:
        decoder: a decoder of Transformers, without its output layer.
        inputs: ``[N, width]``, one token after another.
        position: int64 ``[N]``, of each token in its prompt.
        spans: who sees whom.
        output_positions: W places of the row, ascending.
        cache: of what the lower blocks made of such a row before; the last block is never among them.
        checkpointing: what a block makes of the row is made again in the backward pass.

    Returns:
        ``[W, width]``; differentiable in the inputs and in adapters.
    """
    cos, sin = (table[0, :, None] for table in decoder.rotary_emb(inputs[None], position_ids=position[None]))
    half = sin.shape[-1] // 2
    sin = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
    packed = spans if inputs.is_cpu else joined(spans, inputs.device)
    all_queries = Spans(packed)

    def one(block: Any, states: Tensor) -> Tensor:
        return _mlp(block, states + _attention(block, states, cos, sin, all_queries))

    def through(blocks: Iterable[Any], states: Tensor) -> Tensor:
        again = checkpointing and torch.is_grad_enabled()
        for block in blocks:
            states = checkpoint(one, block, states, use_reentrant=False) if again else one(block, states)
        return states

    if cache is None or inputs.requires_grad:
        states = through(decoder.layers[:-1], inputs)
    else:
        lower, upper = decoder.layers[: cache.layers], decoder.layers[cache.layers : -1]
        states = through(upper, cache.get(inputs, position, spans, lambda: through(lower, inputs)))
    last, answers = decoder.layers[-1], to_device(output_positions, inputs.device)
    states = states[answers] + _attention(last, states, cos, sin, Spans(packed, output_positions), answers)
    normed: Tensor = decoder.norm(_mlp(last, states))
    return normed


def _attention(
    block: Any, states: Tensor, cos: Tensor, sin: Tensor, spans: Spans, asked: Tensor | None = None
) -> Tensor:
    """What attention finds for the tokens ``asked`` (int64 ``[A]``; ``None``: all) of ``states``: ``[A, width]``."""

    def of_asked(row: Tensor) -> Tensor:
        return row if asked is None else row[asked]

    attention = block.self_attn
    states = block.input_layernorm(states)
    head = -1, attention.head_dim
    query, key = attention.q_proj(of_asked(states)).unflatten(1, head), attention.k_proj(states).unflatten(1, head)
    value = attention.v_proj(states).unflatten(1, head)
    if hasattr(attention, "q_norm"):
        query, key = attention.q_norm(query), attention.k_norm(key)
    rotate: Callable[..., Tensor] = _Rotate.apply
    query, key = rotate(query, of_asked(cos), of_asked(sin)), rotate(key, cos, sin)
    seen: Tensor = attention.o_proj(attend(query, key, value, spans, attention.scaling).flatten(1))
    return seen


def _mlp(block: Any, states: Tensor) -> Tensor:
    result: Tensor = states + block.mlp(block.post_attention_layernorm(states))
    return result


class _Rotate(torch.autograd.Function):
    """Turn the pairs (i, i + D/2) of ``states [N, H, D]``; ``cos``, ``sin`` (first half negated) ``[N, 1, D]``."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _rotate(states, cos, sin)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        return _rotate(gradients[0], cos, -sin), None, None


def _rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = states.shape[-1] // 2
    swapped = torch.cat([states[..., half:], states[..., :half]], dim=-1)
    return (states * cos).addcmul_(swapped, sin)
