"""The model's texts: streamed, repeatable, by the weights that were asked for, the best grounded first."""

from __future__ import annotations

import pytest
from test_grounding import EVIDENCE
from tiny_run import tiny_models

from engine.errors import StudioError
from engine.explain import rationale
from engine.explain.rationale import rationales, request
from engine.explain.writer import write
from engine.llm import Backbone
from engine.llm.tiny import tiny_causal, tiny_seq2seq


def written(backbone: Backbone, sample: int, *, adapter: bool = False, seed: int = 0, most: int = 12) -> str:
    return "".join(write(backbone, "Say why.", adapter=adapter, sample=sample, seed=seed, most=most))


@pytest.mark.parametrize("make", [tiny_causal, tiny_seq2seq])
def test_texts_are_repeatable_and_differ_by_sample_and_seed(make: object) -> None:
    backbone = make(0)  # type: ignore[operator]
    texts = {(sample, seed): written(backbone, sample, seed=seed) for sample in (0, 1, 2) for seed in (0, 1)}
    assert texts == {key: written(backbone, key[0], seed=key[1]) for key in texts}
    assert texts[0, 0] == texts[0, 1], "the likeliest text needs no draw"
    assert len({texts[0, 0], texts[1, 0], texts[2, 0], texts[1, 1]}) == 4


def test_the_likeliest_text_is_that_of_the_model_read_anew_for_every_token() -> None:
    import torch

    from engine.llm import Prompt, Segment

    backbone = tiny_causal(0)
    ids = backbone.encode(Prompt((Segment("Say why."),), "")).ids[None]
    expected: list[int] = []
    with torch.inference_mode():
        for _ in range(12):
            expected.append(int(backbone.model(input_ids=ids).logits[0, -1].argmax()))
            ids = torch.cat([ids, torch.tensor([[expected[-1]]])], dim=1)
    assert backbone.tokenizer.eos_token_id not in expected
    text = backbone.tokenizer.decode(expected, skip_special_tokens=True).rstrip("\ufffd")
    assert text
    assert written(backbone, 0).startswith(text[:-1])


def test_pieces_come_one_by_one() -> None:
    assert len(list(write(tiny_causal(0), "Say why.", adapter=False, most=12))) > 3


def test_a_request_beyond_the_context_is_refused() -> None:
    with pytest.raises(StudioError, match="does not fit"):
        list(write(tiny_causal(0), "x" * 5000, adapter=False))


def test_the_request_holds_the_measured_evidence_and_nothing_else() -> None:
    text = request(EVIDENCE)
    assert "- Alien (1979): speaks for it" in text
    assert "- Mr. Holland's Opus (1995): speaks against it" in text
    assert "Heat" not in text, "it has no effect"
    assert "Toy Story" not in text
    assert "#4" in text


def test_the_best_grounded_text_is_shown_first(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Because of “Blade Runner”.", "Because of Alien.", "Fine."]
    monkeypatch.setattr(rationale, "write", lambda *_, sample, **__: iter(texts[sample].partition(" ")))
    heard: list[tuple[int, str]] = []
    found = rationales(tiny_models().backbone, EVIDENCE, on_text=lambda sample, piece: heard.append((sample, piece)))
    assert [r.sample for r in found] == [1, 2, 0]
    assert found[0].grounding.badge == "grounded"
    assert found[0].weights == "base"
    assert "".join(piece for sample, piece in heard if sample == 0) == texts[0]


def test_a_computed_text_stands_in_where_nothing_is_grounded() -> None:
    found = rationales(tiny_models().backbone, EVIDENCE, samples=2, most=8, adapter=True)
    assert [r.weights for r in found] == ["computed", "adapter", "adapter"]
    assert found[0].grounding.badge == "grounded"
