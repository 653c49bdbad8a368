"""What every backbone promises: exact spans, a spliced soft prompt, the model's own answers, room for adapters."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from llm_world import CANDIDATES, HISTORY, TITLES, plain_causal
from torch import Tensor

from engine.backbones import BACKBONES as KINDS
from engine.backbones import TINY
from engine.domains import DOMAINS, DomainWords
from engine.errors import StudioError
from engine.llm import Backbone, Prompt, Prompts, Segment, SoftPrompt, tiny
from engine.llm.tiny import tiny_causal
from engine.registered import registered


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_backbones_says_all_that_is_asked_of_it(kind: str) -> None:
    found = registered(KINDS[kind].backbone)
    unsaid = [name for name in Backbone.__annotations__ if not hasattr(found, name)]
    assert not unsaid, f"{found.__name__} gives no value to {', '.join(unsaid)} of engine.llm.backbone.Backbone"
    unwritten = sorted(found.__abstractmethods__)
    assert not unwritten, f"{found.__name__} does not write {', '.join(unwritten)}"
    assert found.family == kind


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_tiny_model_is_zero(kind: str) -> None:
    """A bias that a kind forgets is noticed by what follows where it is not zero, as it is in a new model."""
    model = registered(KINDS[kind].tiny)(0).model
    weights = (*model.named_parameters(), *model.named_buffers())
    zero = [name for name, weight in weights if weight.is_floating_point() and not weight.any()]
    assert not zero, f"engine.llm.tiny.drawn draws these too: {', '.join(zero)}"


def own_logits(backbone: Backbone, inputs: Tensor) -> Tensor:
    """The model's own full forward over one prompt's embeddings ``[T, width]``: logits ``[vocabulary]`` at the slot."""
    if not backbone.encoder_decoder:
        return backbone.model(inputs_embeds=inputs[None]).logits[0, -1]
    start = torch.tensor([[backbone.model.config.decoder_start_token_id]])
    return backbone.model(inputs_embeds=inputs[None], decoder_input_ids=start).logits[0, 0]


def test_every_history_item_and_candidate_has_its_exact_span(backbone: Backbone, prompts: Prompts) -> None:
    encoded = backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=True), soft_tokens=5)
    expected = {("history", i): TITLES[item] for i, item in enumerate(HISTORY)}
    expected |= {("candidate", j): TITLES[item] for j, item in enumerate(CANDIDATES)}
    decoded = {key: backbone.tokenizer.decode(encoded.ids[span]) for key, span in encoded.spans.items()}
    assert decoded == {key: f" {title}" for key, title in expected.items()}


def test_tokens_are_the_prompt_inside_the_models_template(prompts: Prompts) -> None:
    backbone, prompt = tiny_causal(0), prompts.lsr(HISTORY, CANDIDATES, soft=False)
    request, _, answer = prompt.text().rpartition("\n")
    assert backbone.tokenizer.decode(backbone.encode(prompt).ids) == (
        "<|im_start|>system\nYou are a recommender system.<|im_end|>\n"
        f"<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n{answer}"
    )


def test_without_a_template_the_prompt_is_plain_text(prompts: Prompts) -> None:
    backbone, prompt = plain_causal(0), prompts.lsr(HISTORY, CANDIDATES, soft=False)
    assert backbone.tokenizer.decode(backbone.encode(prompt).ids) == prompt.text()


def test_a_template_that_knows_no_system_role_is_still_used(prompts: Prompts) -> None:
    backbone = tiny_causal(0)
    backbone.tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "<user>{{ m['content'] }}</user>{% endfor %}"
    )
    rebuilt = type(backbone)(backbone.model, backbone.tokenizer, backbone.name, backbone.source, backbone.context)
    text = rebuilt.tokenizer.decode(rebuilt.encode(prompts.lsr([3], [0, 1], soft=False)).ids)
    assert text.startswith("<user>Predict the next movie")
    assert text.endswith("</user>The next movie is")


def test_embeddings_of_tokens_are_asked_of_the_backbone() -> None:
    """Transformers may scale those of ids beside their module: who asked the module itself would not notice."""
    engine = Path(tiny.__file__).parents[1]
    asking = {path.name for path in engine.rglob("*.py") if "embedding()(" in path.read_text(encoding="utf-8")}
    assert asking == {"backbone.py", "seq2seq.py"}, "outside of these it is Backbone.embed_tokens"


def test_marks_written_into_a_title_stay_text(backbone: Backbone) -> None:
    special = set(backbone.tokenizer.all_special_ids)
    assert not special & set(backbone.tokens(" Stop<|im_end|><pad>"))


def test_the_soft_prompt_is_spliced_in_and_nothing_else_changes(
    backbone: Backbone, prompts: Prompts, soft_prompt: SoftPrompt
) -> None:
    """One of tokens' embeddings reads as these tokens, whatever a model does to embeddings before it reads them."""
    encoded = backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=True), len(soft_prompt))
    assert encoded.soft is not None
    ids, tokens = encoded.ids.clone(), torch.arange(7, 7 + len(soft_prompt))
    ids[encoded.soft] = tokens
    embedded = backbone.embed([encoded], backbone.embed_tokens(tokens))
    torch.testing.assert_close(embedded.inputs, backbone.embed([replace(encoded, ids=ids)]).inputs)
    assert not torch.equal(embedded.inputs, backbone.embed([encoded], soft_prompt.weight).inputs)
    assert "Pattern:" in backbone.tokenizer.decode(encoded.ids[: encoded.soft.start])
    assert all(span.start >= encoded.soft.stop for span in encoded.spans.values())


@pytest.mark.parametrize(("soft", "tokens"), [(True, 0), (False, 5)])
def test_soft_tokens_and_places_for_them_go_together(
    backbone: Backbone, prompts: Prompts, soft: bool, tokens: int
) -> None:
    with pytest.raises(ValueError, match="soft tokens"):
        backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=soft), tokens)


def test_a_prompt_is_answered_as_its_tokens_are(backbone: Backbone, prompts: Prompts) -> None:
    encoded = backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=False))
    fed = {}
    if backbone.encoder_decoder:
        fed = {"decoder_input_ids": torch.tensor([[backbone.model.config.decoder_start_token_id]])}
    own = backbone.model(input_ids=encoded.ids[None], **fed).logits[0, -1]
    answer = backbone.logits(backbone.answer_states(backbone.embed([encoded])))[0]
    torch.testing.assert_close(answer, own, atol=1e-4, rtol=1e-4)


def test_the_answer_state_gives_the_models_own_logits(
    backbone: Backbone, prompts: Prompts, soft_prompt: SoftPrompt
) -> None:
    batch = backbone.embed([backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=True), 5)], soft_prompt.weight)
    states, own = backbone.answer_states(batch), own_logits(backbone, batch.inputs[0])
    torch.testing.assert_close(backbone.logits(states)[0], own, atol=1e-4, rtol=1e-4)
    if backbone.linear_head:
        torch.testing.assert_close((states @ backbone.output_matrix().T)[0], own, atol=1e-4, rtol=1e-4)


def test_padding_does_not_change_answers(backbone: Backbone, prompts: Prompts) -> None:
    short = backbone.encode(prompts.lsr([3], [0, 1], soft=False))
    long = backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=False))
    together = backbone.answer_states(backbone.embed([long, short]))
    for row, alone in ((0, long), (1, short)):
        torch.testing.assert_close(
            together[row], backbone.answer_states(backbone.embed([alone]))[0], atol=1e-4, rtol=1e-4
        )


def test_a_prompt_beyond_the_context_is_refused_with_the_settings_to_lower(backbone: Backbone) -> None:
    prompt = Prompt(tuple(Segment(f" {TITLES[2]}", "history", i) for i in range(500)), "The next movie is")
    with pytest.raises(StudioError, match=r"a prompt of \d{4,} tokens does not fit .* 2048 tokens") as refused:
        backbone.encode(prompt)
    assert all(name in str(refused.value) for name in ("data.history", "data.candidates", "distill.soft_tokens"))


def test_everything_is_frozen_and_without_dropout(backbone: Backbone) -> None:
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module.training for module in backbone.modules() if module is not backbone)


def test_lower_precision_keeps_the_soft_prompt_and_its_gradient_in_float32(
    backbone: Backbone, prompts: Prompts, soft_prompt: SoftPrompt
) -> None:
    backbone.to(torch.bfloat16)
    batch = backbone.embed([backbone.encode(prompts.lsr(HISTORY, CANDIDATES, soft=True), 5)], soft_prompt.weight)
    states = backbone.answer_states(batch)
    states.float().pow(3).sum().backward()  # a sum alone is the same behind every layer norm
    assert states.dtype == torch.bfloat16
    assert soft_prompt.weight.grad is not None
    assert soft_prompt.weight.grad.dtype == torch.float32
    assert soft_prompt.weight.grad.abs().sum() > 0


def test_tiny_models_are_the_same_in_every_process() -> None:
    script = (
        "from engine.backbones import TINY\n"
        "from engine.registered import registered\n"
        "for make in TINY.values():\n"
        "    b = registered(make)(7)\n"
        "    print(sum(p.double().abs().sum().item() for p in b.parameters()), b.tokens('The next movie is Amélie'))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    here = [
        f"{sum(p.double().abs().sum().item() for p in b.parameters())} {b.tokens('The next movie is Amélie')}"
        for b in (registered(make)(7) for make in TINY.values())
    ]
    assert printed.splitlines() == here
    assert tiny_causal(8).embedding().weight.ne(tiny_causal(7).embedding().weight).any()


def test_a_further_domain_makes_no_other_tiny_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs made with them are asked with the same ones."""
    monkeypatch.setitem(DOMAINS, "tune", DomainWords("tune", "hears", "Heard"))  # type: ignore[misc]
    assert runpy.run_path(tiny.__file__)["WORDS"] == tiny.WORDS


def test_building_a_tiny_model_leaves_the_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    tiny_causal(0)
    assert torch.rand(1) == expected
