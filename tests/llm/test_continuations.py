"""The likelihood of many titles behind one prompt equals asking for each of them alone."""

from __future__ import annotations

import pytest
import torch
from llm_world import CANDIDATES, HISTORY, TITLES
from torch import Tensor

from engine.llm import Backbone, Embedded, Prompts, SoftPrompt
from engine.llm import backbone as backbones


def naive(backbone: Backbone, inputs: Tensor, tokens: tuple[int, ...]) -> Tensor:
    """Log-likelihood of ``tokens`` behind one prompt ``[T, width]`` by a full forward of its own."""
    return own_logprobs(backbone, inputs, tokens).gather(1, torch.tensor(tokens)[:, None]).sum()


def own_logprobs(backbone: Backbone, inputs: Tensor, tokens: tuple[int, ...]) -> Tensor:
    """Log-probabilities ``[n, vocabulary]`` at the places of ``tokens`` behind one prompt."""
    wanted = torch.tensor(tokens)
    if not backbone.encoder_decoder:
        whole = torch.cat([inputs, backbone.embedding()(wanted)])
        logits = backbone.model(inputs_embeds=whole[None]).logits[0, len(inputs) - 1 : -1]
    else:
        fed = torch.tensor([[backbone.model.config.decoder_start_token_id, *tokens[:-1]]])
        logits = backbone.model(inputs_embeds=inputs[None], decoder_input_ids=fed).logits[0]
    logprobs: Tensor = logits.log_softmax(-1)
    return logprobs


@pytest.fixture(autouse=True, params=[60, None], ids=["vocabulary in blocks", "as a whole"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny models' vocabulary is smaller than a real one's block."""
    monkeypatch.setattr(backbones, "TOKENS_AT_ONCE", request.param or 10**6)


@pytest.fixture
def batch(backbone: Backbone, prompts: Prompts, soft_prompt: SoftPrompt) -> Embedded:
    asked = [prompts.lsr(HISTORY, CANDIDATES, soft=True), prompts.lsr([3], CANDIDATES, soft=True)]
    return backbone.embed([backbone.encode(prompt, len(soft_prompt)) for prompt in asked], soft_prompt.weight)


def titles(backbone: Backbone) -> list[list[tuple[int, ...]]]:
    """Different titles behind the two prompts, of very different lengths, a single token among them."""
    words = [[f" {TITLES[i]}" for i in CANDIDATES[:5]], [" the", *(f" {TITLES[i]}" for i in CANDIDATES[4:])]]
    return [[backbone.tokens(text) for text in row] for row in words]


def test_equals_one_forward_for_each_title(backbone: Backbone, batch: Embedded) -> None:
    asked = titles(backbone)
    together = backbone.continuation_logprobs(batch, asked)
    for row, (length, texts) in enumerate(zip(batch.lengths.tolist(), asked, strict=True)):
        alone = torch.stack([naive(backbone, batch.inputs[row, :length], tokens) for tokens in texts])
        torch.testing.assert_close(together[row], alone, atol=1e-4, rtol=1e-4)


def test_equals_one_forward_for_single_token_titles(backbone: Backbone, batch: Embedded) -> None:
    asked = [[backbone.tokens(" the"), backbone.tokens(" movie")]] * 2
    together = backbone.continuation_logprobs(batch, asked)
    alone = naive(backbone, batch.inputs[0, : batch.lengths[0]], asked[0][1])
    torch.testing.assert_close(together[0, 1], alone, atol=1e-4, rtol=1e-4)


def test_titles_do_not_see_each_other(backbone: Backbone, batch: Embedded) -> None:
    asked = titles(backbone)
    turned = backbone.continuation_logprobs(batch, [list(reversed(row)) for row in asked])
    torch.testing.assert_close(backbone.continuation_logprobs(batch, asked), turned.flip(1), atol=1e-4, rtol=1e-4)


def test_gradient_equals_the_naive_one(backbone: Backbone, prompts: Prompts, soft_prompt: SoftPrompt) -> None:
    encoded, tokens = backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=True), 5), backbone.tokens(" Toy Story")
    (packed,) = torch.autograd.grad(
        backbone.continuation_logprobs(backbone.embed([encoded], soft_prompt.weight), [[tokens]]).sum(),
        soft_prompt.weight,
    )
    (expected,) = torch.autograd.grad(
        naive(backbone, backbone.embed([encoded], soft_prompt.weight).inputs[0], tokens), soft_prompt.weight
    )
    assert expected.abs().max() > 1e-6
    torch.testing.assert_close(packed, expected, atol=1e-4, rtol=1e-3)


def test_a_vocabulary_leaves_the_chances_of_its_tokens_in_their_proportions(
    backbone: Backbone, batch: Embedded
) -> None:
    """Known answer: the whole softmax, renormalised over the tokens that are possible."""
    asked = titles(backbone)
    possible = torch.tensor(sorted({0, 3, *(token for row in asked for tokens in row for token in tokens)}))
    found = backbone.continuation_logprobs(batch, asked, possible)
    for row, (length, texts) in enumerate(zip(batch.lengths.tolist(), asked, strict=True)):
        for column, tokens in enumerate(texts):
            logprobs = own_logprobs(backbone, batch.inputs[row, :length], tokens)
            mass = logprobs[:, possible].logsumexp(1)
            expected = logprobs.gather(1, torch.tensor(tokens)[:, None])[:, 0] - mass
            torch.testing.assert_close(found[row, column], expected.sum(), atol=1e-4, rtol=1e-4)
    assert (found > backbone.continuation_logprobs(batch, asked)).all()


def test_a_token_outside_the_vocabulary_is_no_other_token(backbone: Backbone, batch: Embedded) -> None:
    asked = titles(backbone)
    for left_out in {token for row in asked for tokens in row for token in tokens}:
        possible = sorted({token for row in asked for tokens in row for token in tokens} - {left_out})
        with pytest.raises(ValueError, match=f"^{left_out} is not in the subset"):
            backbone.continuation_logprobs(batch, asked, torch.tensor(possible))
