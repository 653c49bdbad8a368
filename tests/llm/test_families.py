"""Every architecture that Transformers knows answers as it does by itself, its windows shorter than the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from families import PACKED_FORWARD, TRANSFORMERS_FORWARD, WINDOW, backbone_of
from torch import Tensor

from engine.config import FinetuneConfig
from engine.explain.writer import write
from engine.finetune.adalora import AdaLora, load_adapter, save_adapter
from engine.llm import Prompt, Segment
from engine.llm.backbone import Embedded
from engine.llm.causal import CausalBackbone
from engine.llm.verbalizers import TitleTokens

FAMILIES = [*PACKED_FORWARD, *TRANSFORMERS_FORWARD]
LENGTHS = (3 * WINDOW, 2 * WINDOW + 3, 2 * WINDOW + 3)
TEXTS = [[(5, 6, 7), (8,), (9, 10, 11, 12, 13)], [(20, 21), (22, 23, 24), (8,)], [(5,), (6,), (7,)]]


def inputs_of(backbone: CausalBackbone) -> Tensor:
    """Embeddings of three prompts with a common beginning, ``[3, T, width]``, that may be learned from."""
    ids = torch.randint(0, 400, (3, max(LENGTHS)), generator=torch.Generator().manual_seed(1))
    ids[:, :WINDOW] = ids[0, :WINDOW]
    return backbone.embedding()(ids).detach().requires_grad_()


def own(backbone: CausalBackbone, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """States after the final norm and logits of ``inputs [T, width]`` by one forward pass of the whole model."""
    core = backbone._core()
    seen: list[Any] = []
    decoder = backbone._decoder()
    handle = decoder.register_forward_hook(lambda _, __, output: seen.append(output.last_hidden_state))
    logits = core(inputs_embeds=inputs[None], use_cache=False).logits[0]
    handle.remove()
    return seen[0][0], logits


def own_likelihood(backbone: CausalBackbone, prompt: Tensor, text: tuple[int, ...]) -> Tensor:
    wanted = torch.tensor(text)
    logits = own(backbone, torch.cat([prompt, backbone.embedding()(wanted)]))[1][len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, wanted[:, None]).sum()


def check_all(backbone: CausalBackbone, tolerance: float = 1e-3) -> None:
    """States, logits, likelihoods and gradients of a batch are those of each text alone, by Transformers."""
    inputs, lengths = inputs_of(backbone), torch.tensor(LENGTHS)
    batch = Embedded(inputs, lengths)
    alone = [own(backbone, row[:length]) for row, length in zip(inputs, LENGTHS, strict=True)]
    states = backbone.answer_states(batch)
    close = {"atol": tolerance, "rtol": tolerance}
    torch.testing.assert_close(states, torch.stack([states[-1] for states, _ in alone]), **close)
    logits = torch.stack([logits[-1] for _, logits in alone])
    torch.testing.assert_close(backbone.logits(states), logits, **close)
    if backbone.linear_head:
        torch.testing.assert_close(states @ backbone.output_matrix().T, logits, **close)
    likelihoods = backbone.continuation_logprobs(batch, TEXTS)
    expected = torch.stack(
        [
            torch.stack([own_likelihood(backbone, row[:length], text) for text in texts])
            for row, length, texts in zip(inputs, LENGTHS, TEXTS, strict=True)
        ]
    )
    torch.testing.assert_close(likelihoods, expected, **close)
    for found, usual in ((states.pow(3).sum(), sum(s[-1].pow(3).sum() for s, _ in alone)), (likelihoods, expected)):
        ours, theirs = (  # summed: what prompts share is read once
            torch.autograd.grad(value.sum(), inputs, retain_graph=True)[0].sum(0) for value in (found, usual)
        )
        assert theirs.abs().max() > 1e-4
        assert float((ours - theirs).norm() / theirs.norm()) < tolerance


@pytest.mark.parametrize("family", FAMILIES)
def test_states_likelihoods_and_gradients_are_the_models_own(family: str) -> None:
    backbone = backbone_of(family)
    told: list[str] = []
    backbone.log = told.append
    backbone.prove()
    check_all(backbone)
    if family in PACKED_FORWARD:
        assert told == []
    else:
        assert told, f"{family} is read in the engine's own way: move it to PACKED_FORWARD of tests/families.py"
        assert len(told) == 1
        assert told[0].startswith(f"{family} is read by Transformers' own forward pass")


@pytest.mark.parametrize("family", FAMILIES)
def test_titles_score_the_mean_of_the_models_own_logits(family: str) -> None:
    backbone = backbone_of(family)
    titles = ("qab", "qz", "Heat")
    batch = Embedded(inputs_of(backbone), torch.tensor(LENGTHS))
    verbalizer = TitleTokens(backbone, titles, n_known=3)
    scores = verbalizer.catalogue_scores(batch)
    logits = torch.stack([own(backbone, row[:n])[1][-1] for row, n in zip(batch.inputs, LENGTHS, strict=True)])
    means = verbalizer._means
    expected = torch.zeros(3, 3)
    title = -1
    for place, (token, weight) in enumerate(zip(means.tokens.tolist(), means.weights.tolist(), strict=True)):
        title += place in means.starts.tolist()
        expected[:, title] += weight * logits[:, token]
    expected, found = (values / values.std() for values in (expected, scores))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)
    picked = verbalizer.scores(batch, torch.tensor([[2, 0]] * 3))
    torch.testing.assert_close(picked, scores[:, [2, 0]])


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_are_read_as_the_model_itself_reads_them(family: str, tmp_path: Path) -> None:
    """Stage 2 with the default targets, fused projections and GPT-2's turned weights among them; saved, read back."""
    backbone = backbone_of(family)
    batch = Embedded(inputs_of(backbone).detach(), torch.tensor(LENGTHS))
    before = backbone.answer_states(batch)
    adapter = AdaLora(backbone, FinetuneConfig(top_layers=2, steps=4), seed=0)
    assert adapter.parameters
    torch.testing.assert_close(backbone.answer_states(batch), before, atol=1e-4, rtol=1e-4)
    generator = torch.Generator().manual_seed(2)
    for parameter in adapter.parameters.values():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    check_all(backbone)
    after = backbone.answer_states(batch)
    assert float((after - before).detach().norm() / before.norm()) > 0.05
    after.pow(3).sum().backward()
    gradients = [p.grad is not None and p.grad.abs().sum() > 0 for p in adapter.parameters.values()]
    assert sum(gradients) > 0.6 * len(gradients)
    with backbone.without_adapter():
        torch.testing.assert_close(backbone.answer_states(batch), before, atol=1e-4, rtol=1e-4)
    adapter.load_weights(adapter.weights())
    save_adapter(backbone, tmp_path / "adapter")
    again = backbone_of(family)
    load_adapter(again, tmp_path / "adapter")
    torch.testing.assert_close(again.answer_states(batch), after, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_states_at_slots_are_the_models_own_at_these_places(family: str) -> None:
    backbone = backbone_of(family)
    inputs = inputs_of(backbone).detach()
    lengths = torch.tensor([inputs.shape[1], inputs.shape[1] - 3, inputs.shape[1] - 3])
    slots = tuple((0, int(n) // 2, int(n) - 1) for n in lengths)
    found = backbone.slot_states(Embedded(inputs, lengths, slots))
    expected = [own(backbone, row[:n])[0][list(places)] for row, n, places in zip(inputs, lengths, slots, strict=True)]
    torch.testing.assert_close(found, torch.cat(expected), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reply_is_what_the_model_itself_would_write(family: str) -> None:
    backbone = backbone_of(family)
    request = "Watched:" + " game movie" * WINDOW
    written = "".join(write(backbone, request, adapter=False, most=8))
    inputs, ids = backbone.embed([backbone.encode(Prompt((Segment(request),), ""))]).inputs[0], []
    while len(ids) < 8:
        ids.append(int(own(backbone, inputs)[1][-1].argmax()))
        inputs = torch.cat([inputs, backbone.embedding()(torch.tensor(ids[-1:]))])
    ids = ids[: ids.index(backbone.tokenizer.eos_token_id)] if backbone.tokenizer.eos_token_id in ids else ids
    whole = [backbone.tokenizer.decode(ids[:n], skip_special_tokens=True) for n in range(len(ids) + 1)]
    assert written == next(text for text in reversed(whole) if not text.endswith("\ufffd"))
