"""The model's texts: streamed, repeatable, by the weights that were asked for, the best grounded first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from test_grounding import EVIDENCE
from tiny_run import tiny_models
from tokenizers import decoders

from engine.errors import StudioError
from engine.explain import rationale
from engine.explain.constraint import unwritable
from engine.explain.evidence import ItemEvidence
from engine.explain.rationale import freely, rationales, request
from engine.explain.sentence import fallback
from engine.explain.writer import write
from engine.llm import Backbone
from engine.llm.tiny import tiny_causal
from tests.stage_world import FAMILIES


def written(backbone: Backbone, sample: int, *, adapter: bool = False, seed: int = 0, most: int = 12) -> str:
    return "".join(write(backbone, "Say why.", adapter=adapter, sample=sample, seed=seed, most=most))


@pytest.mark.parametrize("make", FAMILIES.values())
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
    assert "strongest first: Alien (1979), The Empire Strikes Back (1980) and Star Wars: A New Hope (1977)." in text
    assert "that speak against it: Mr. Holland's Opus (1995)." in text
    assert "Heat" not in text, "it has no effect"
    assert "Toy Story" not in text
    assert "#4" in text


def writes(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """Make the model write these texts, a word at a time, whatever grammar it is under."""

    def free(*_: object, sample: int, **__: object) -> Iterator[str]:
        yield from re.split(r"(?= )", texts[sample])

    def under(*_: object, **__: object) -> Iterator[Iterator[str]]:
        yield from (iter(re.split(r"(?= )", text)) for text in texts)

    monkeypatch.setattr(rationale, "write", free)
    monkeypatch.setattr(rationale, "write_under", under)


def test_it_writes_until_a_text_holds_and_shows_that_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch, "Aliens because of Heat. Alien.", "It is like “Blade Runner”.", "Because of Alien.", "Fine.")
    heard: list[tuple[int, str]] = []
    found = rationales(
        tiny_models().backbone, EVIDENCE, samples=4, on_text=lambda sample, piece: heard.append((sample, piece))
    )
    assert [r.sample for r in found] == [2, 0, 1], "the fourth is not written any more"
    assert found[0].grounding.badge == "grounded"
    assert found[0].weights == "base"
    for text in found:
        assert "".join(piece for sample, piece in heard if sample == text.sample) == text.text


def test_the_free_text_goes_on_from_words_that_keep_it_to_the_point(monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch, " “Blade Runner”.", " Alien.", "Fine.")
    found = [freely(tiny_models().backbone, EVIDENCE, sample) for sample in range(3)]
    assert found[1].text == "Aliens (1986) is recommended mainly because of Alien."
    assert found[1].text.startswith(found[1].begun)
    assert found[2].begun == "", "every third text begins freely"


def test_an_edited_request_is_answered_from_the_first_word(monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch, "Hello.")
    found = freely(tiny_models().backbone, EVIDENCE, asked="Greet.")
    assert (found.text, found.begun) == ("Hello.", "")


def test_a_free_text_ends_where_it_repeats_itself_or_has_said_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch, " Alien. It is so. It is so. It is", "a. b. c. d. e. f.")
    texts = [freely(tiny_models().backbone, EVIDENCE, sample, asked="Say why.").text for sample in range(2)]
    assert texts == ["Alien. It is so. It is", "a. b. c. d."]


def test_a_computed_text_stands_in_where_nothing_is_grounded(monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch, "Fine.", "Because of Heat.")
    found = rationales(tiny_models().backbone, EVIDENCE, adapter=True)
    assert [r.weights for r in found] == ["computed", "adapter", "adapter"]
    assert found[0].grounding.badge == "grounded"


@pytest.mark.parametrize("make", FAMILIES.values())
def test_under_the_grammar_a_model_of_random_weights_writes_what_holds(make: Callable[[int], Backbone]) -> None:
    backbone = make(0)
    found = [rationales(backbone, EVIDENCE, seed=seed) for seed in range(3)]
    for (text,) in found:
        assert text.weights == "base"
        assert text.grounding.badge == "grounded"
        assert text.grounding.precision == 1.0
        assert 2 <= len(text.grounding.sentences) <= 4
        assert not text.grounding.invented
    assert found[0] == rationales(backbone, EVIDENCE, seed=0), "the same seed, the same text"
    assert len({text.text for (text,) in found}) == 3


def test_another_user_s_texts_are_drawn_anew() -> None:
    backbone = tiny_causal(0)
    other = replace(EVIDENCE, history=EVIDENCE.history[::-1])
    texts = [[r.text for r in rationales(backbone, evidence)] for evidence in (EVIDENCE, other)]
    assert texts[0] != texts[1]


def test_a_model_that_cannot_be_held_to_a_grammar_says_so_and_leaves_it_to_the_measurements() -> None:
    backbone = tiny_causal(0)
    backbone.tokenizer.backend_tokenizer.decoder = decoders.CTC()
    (found,) = rationales(backbone, EVIDENCE)
    assert (found.weights, found.text) == ("computed", fallback(EVIDENCE))
    assert "tiny-causal's tokenizer cannot be held to a grammar" in found.note


def test_an_end_that_is_no_end_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless() -> Iterator[str]:
        yield "Alien speaks for Aliens. Heat"
        raise unwritable("a text about these titles is too long")

    monkeypatch.setattr(rationale, "write_under", lambda *_, **__: iter([iter(["Because of Heat."]), endless()]))
    found = rationales(tiny_causal(0), EVIDENCE)
    assert [(text.text, text.weights) for text in found] == [
        (fallback(EVIDENCE), "computed"),
        ("Because of Heat.", "base"),
    ]
    assert found[0].note == "a text about these titles is too long"


@pytest.mark.parametrize("place", ["target", "for", "against"])
@pytest.mark.parametrize(
    "title",
    ["", " ", "\n", "\x00", "\ud800", "x" * 5000, "<|im_end|>", "שלום", "🎬", "%json {}", '{"a": [', '"', "it", "."],
)
def test_whatever_a_title_is_the_text_holds_or_it_is_said_why_the_model_did_not_write(title: str, place: str) -> None:
    others = [ItemEvidence("Alien (1979)", 3.0, True), ItemEvidence("Heat (1995)", -1.0, True)]
    evidence = replace(EVIDENCE, history=tuple(others), necessity=None)
    if place == "target":
        evidence = replace(evidence, target=title, candidates=(title, *evidence.candidates[1:]))
    else:
        others[place == "against"] = replace(others[place == "against"], title=title)
        evidence = replace(evidence, history=tuple(others))
    first, *others_written = rationales(tiny_causal(0), evidence)
    if first.weights == "base":
        assert first.grounding.badge == "grounded", first.text
        assert first.grounding.precision == 1.0
    else:
        assert first.note or others_written, "nothing that it wrote held"
