"""Attention over spans is the attention of each prompt alone, and so are its gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from engine.llm import attention as module
from engine.llm.attention import ALIGNED, Span, Spans, attend

H, G, D = 6, 2, 8


def _tree() -> Spans:
    """A trunk, a stem on it with two branches, a branch of the trunk, and one whose tokens see only themselves."""
    trunk = Span(0, 5)
    stem = Span(5, 9, trunk.path)
    blind = Span(22, 25, trunk.path, torch.eye(3, dtype=torch.bool))
    return Spans([trunk, stem, Span(9, 12, stem.path), Span(12, 13, stem.path), Span(13, 22, trunk.path), blind])


def _inputs(dtype: torch.dtype, tokens: int = 25) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = (tokens, H, D), (tokens, G, D), (tokens, G, D), (tokens, H, D)
    return [torch.randn(shape).to(dtype) for shape in shapes]


def _visible(spans: Spans) -> Tensor:
    """bool ``[N, N]``, spelled out token by token."""
    N = max(span.end for span in spans.spans)
    seen = torch.zeros(N, N, dtype=torch.bool)
    for span in spans.spans:
        for token in range(span.start, span.end):
            for above in span.above:
                seen[token, above.start : above.end] = True
            for other in range(span.start, span.end):
                own = span.seen[token - span.start, other - span.start] if span.seen is not None else other <= token
                seen[token, other] = bool(own)
    return seen


def _exact(inputs: list[Tensor], mask: Tensor, scale: float) -> tuple[Tensor, ...]:
    """Answer and gradients in float64, every key and value copied for each of its heads."""
    *leaves, gradient = (tensor.double().requires_grad_() for tensor in inputs)
    query, key, value = leaves
    copied = (tensor.repeat_interleave(H // G, dim=1).transpose(0, 1) for tensor in (key, value))
    answer = scaled_dot_product_attention(query.transpose(0, 1), *copied, attn_mask=mask, scale=scale).transpose(0, 1)
    return answer.detach(), *torch.autograd.grad(answer, leaves, gradient)


def _ours(inputs: list[Tensor], spans: Spans, scale: float) -> tuple[Tensor, ...]:
    *leaves, gradient = (tensor.clone().requires_grad_() for tensor in inputs)
    answer = attend(*leaves, spans, scale)
    return answer.detach(), *torch.autograd.grad(answer, leaves, gradient)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_answers_and_gradients_are_those_of_exact_attention(dtype: torch.dtype, near: float) -> None:
    inputs = _inputs(dtype)
    for found, expected in zip(_ours(inputs, _tree(), 0.3), _exact(inputs, _visible(_tree()), 0.3), strict=True):
        assert found.dtype == dtype
        assert float((found.double() - expected).norm() / expected.norm()) < near


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_who_is_not_asked_is_still_looked_at(dtype: torch.dtype) -> None:
    asked = [8, 9, 11, 23]  # at the end of the stem, in a branch, among the blind; nobody of the trunk
    inputs, spans = _inputs(dtype), _tree().spans
    whole = [tensor.clone().requires_grad_() for tensor in inputs[:3]]
    some = [tensor.clone().requires_grad_() for tensor in inputs[:3]]
    expected = attend(*whole, Spans(spans), 0.3)[asked]
    found = attend(some[0][asked], *some[1:], Spans(spans, asked), 0.3)
    near = 1e-6 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(found, expected, atol=near, rtol=near)
    given = inputs[3][asked]
    gradients = torch.autograd.grad(found, some, given), torch.autograd.grad(expected, whole, given)
    for ours, usual in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, usual, atol=near, rtol=near)


@pytest.mark.parametrize("tokens", [1, ALIGNED - 1, ALIGNED, ALIGNED + 1])
def test_what_keys_are_filled_up_with_is_seen_by_nobody(tokens: int) -> None:
    inputs, alone = _inputs(torch.float32, tokens), Spans([Span(0, tokens)])
    for found, expected in zip(_ours(inputs, alone, 0.3), _exact(inputs, _visible(alone), 0.3), strict=True):
        torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-4)


def test_many_small_gradients_of_a_shared_span_are_not_lost_in_their_sum() -> None:
    """Added one by one in bf16, halves get no further than 128."""
    trunk = Span(0, 1)
    spans = Spans([trunk, *(Span(1 + i, 2 + i, trunk.path) for i in range(400))])
    inputs = _inputs(torch.bfloat16, 401)
    inputs[1][:] = 0  # everybody looks at the trunk and herself alike, so values get half of each gradient
    inputs[3][:] = 1
    of_value = _ours(inputs, spans, 0.3)[3]
    assert float(of_value[0, 0, 0]) == pytest.approx(H / G * (1 + 400 / 2), rel=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("learned", [False, True])
def test_only_gradients_in_bf16_go_the_own_way(monkeypatch, dtype: torch.dtype, learned: bool) -> None:
    went = []
    own = module._Plain.apply
    monkeypatch.setattr(module._Plain, "apply", lambda *inputs: went.append(1) or own(*inputs))
    query, key, value, _ = (tensor.requires_grad_(learned) for tensor in _inputs(dtype))
    attend(query, key, value, _tree(), 0.3)
    assert bool(went) == (learned and dtype == torch.bfloat16)


@pytest.mark.parametrize("asked", [None, [8, 9, 11, 23]])
@pytest.mark.parametrize(("most", "products"), [(100, 1), (13, 2), (9, 4), (4, 5), (1, 6)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_joined_spans_see_the_same(asked: list[int] | None, most: int, products: int, dtype: torch.dtype) -> None:
    """GPUs get a row as few products."""
    inputs, spans = _inputs(dtype), _tree().spans
    groups = module.joined(spans, inputs[0].device, most)
    assert len(groups) == products
    found, expected = [], []
    for row, answers in ((groups, found), (spans, expected)):
        query, key, value = (tensor.clone().requires_grad_() for tensor in inputs[:3])
        answer = attend(query if asked is None else query[asked], key, value, Spans(row, asked), 0.3)
        given = inputs[3] if asked is None else inputs[3][asked]
        answers += [answer.detach(), *torch.autograd.grad(answer, (query, key, value), given)]
    near = 1e-5 if dtype == torch.float32 else 0.02
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own, other, atol=near, rtol=near)


def test_no_mask_is_of_all_tokens_by_all() -> None:
    """64 prompts of 400 tokens that begin alike, each with an answer of 100: by all, a mask would have a billion."""
    trunk = Span(0, 60)
    leaves = [Span(60 + 340 * i, 400 + 340 * i, trunk.path) for i in range(64)]
    end = leaves[-1].end
    answers = [Span(end + 100 * i, end + 100 * (i + 1), leaf.path) for i, leaf in enumerate(leaves)]
    groups = module.joined([trunk, *leaves, *answers], torch.device("cpu"))
    assert sum(len(group) * sum(map(len, group.path)) for group in groups) < 30e6
    assert sum(len(group.parts) > 1 for group in groups) == -(-len(leaves) // 3)  # three leaves make 1020 tokens
