"""Attention whose backward pass suits bf16 on CPUs.

PyTorch's flash attention takes far longer backwards than forwards there. Row by row of the batch, as matrix products
whose intermediates stay in the cache, it takes less than half of that. (In float32 PyTorch's own is the faster one, and
everywhere else it is asked as usual.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "by-row-backwards"


def attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attention as Transformers calls it: ``query [B, H, S, D]``, key and value ``[B, G, T, D]``; G divides H.

    Returns:
        ``[B, S, H, D]``, and no weights.
    """
    learned = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value))
    special = any(settings.get(name) is not None for name in ("position_bias", "softcap")) or settings.get("dropout")
    suited = learned and not special and query.is_cpu and query.dtype == torch.bfloat16
    if attention_mask is None or not suited:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    mask = attention_mask
    if mask.dtype == torch.bool:
        # Not minus infinity: a position that sees nobody, as padding may, would get no numbers at all.
        mask = torch.where(mask, 0.0, torch.finfo(query.dtype).min).to(query.dtype)
    scale = settings.get("scaling") or query.shape[-1] ** -0.5
    answer: Tensor = _ByRowBackwards.apply(query, key, value, mask.expand(len(query), -1, -1, -1), scale)
    return answer.transpose(1, 2).contiguous(), None


class _ByRowBackwards(torch.autograd.Function):
    """Forwards PyTorch's own; backwards one row of the batch after another, from the inputs."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(query, key, value, mask)
        ctx.scale = scale
        shared = query.shape[1] // key.shape[1]
        keys, values = repeat_kv(key, shared), repeat_kv(value, shared)
        return scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask = ctx.saved_tensors
        found = []
        for row, gradient in enumerate(gradients[0]):
            with torch.enable_grad():
                q, k, v = leaves = [tensor[row].detach().requires_grad_() for tensor in (query, key, value)]
                found.append(torch.autograd.grad(_row(q, k, v, mask[row], ctx.scale), leaves, gradient))
        return *(torch.stack(parts) for parts in zip(*found, strict=True)), None, None


def _row(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """``[H, S, D]`` from ``query [H, S, D]``, ``key`` and ``value`` ``[G, T, D]`` and ``mask [1 or H, S, T]``."""
    (H, S, D), (G, T, _) = query.shape, key.shape
    added = mask.expand(H, S, T).reshape(G, -1, T)
    scores = torch.baddbmm(added, query.reshape(G, -1, D), key.transpose(1, 2), alpha=scale)
    return (scores.softmax(-1) @ value).view(H, S, D)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
