"""Titles that a tokenizer cannot read are known before anything is trained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.llm.encoder import PromptEncoder
from engine.llm.tiny import tiny_causal
from engine.llm.unknown_tokens import unread

ENGLISH = ["Heat", "Up", "Alien"]


def word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "Heat": 1, "Up": 2, "Alien": 3}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def unigram() -> Tokenizer:
    letters = [(letter, -3.0) for letter in "HeatUpAlien"]
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("\u2581", -2.0), *letters], unk_id=0))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return tokenizer


def letters_without_unknown() -> Tokenizer:
    """Drops what it does not know without a token in its place."""
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate("_ HeatUplin")}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "isolated")
    return tokenizer


def lower_case() -> Tokenizer:
    tokenizer = word_level()
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.model = models.WordLevel({"<unk>": 0, "heat": 1, "up": 2, "alien": 3}, unk_token="<unk>")
    return tokenizer


KINDS = [word_level, unigram, letters_without_unknown]


def encoder_of(tokenizer: Tokenizer) -> PromptEncoder:
    """As much of an encoder as reading titles takes."""
    unknown = "<unk>" if tokenizer.token_to_id("<unk>") is not None else None
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=unknown)
    encoder = SimpleNamespace(tokenizer=fast, name="the model")
    encoder.all_tokens = lambda texts: PromptEncoder.all_tokens(cast(PromptEncoder, encoder), texts)
    return cast(PromptEncoder, encoder)


@pytest.mark.parametrize("make", KINDS)
def test_titles_that_can_be_read_need_no_word(make: Any) -> None:
    assert unread(encoder_of(make()), ENGLISH) == []


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("foreign", ["\u4e00\u5000", "\u0448\u0443\u043c", "\U0001f600"])
def test_titles_of_which_nothing_is_read_are_said_with_their_share(make: Any, foreign: str) -> None:
    (told,) = unread(encoder_of(make()), [*ENGLISH, foreign, *ENGLISH, *ENGLISH])
    assert f"reads nothing of 1 of 10 titles (10%), e.g. {foreign!r}" in told
    (told,) = unread(encoder_of(make()), [foreign, foreign * 2])
    assert "2 of 2 titles (100%)" in told


def test_titles_read_in_part_and_titles_read_alike_are_said() -> None:
    titles = ["Heat", "Heat \u4e00", "Heat \u5000", "Up"]
    part, same = unread(encoder_of(word_level()), titles)
    assert "only a part of 2 of 4 titles (50%)" in part
    assert "the same for 2 of 4 titles (50%), e.g. 'Heat \u4e00'" in same
    dropped = unread(encoder_of(letters_without_unknown()), ["Heat", "Heat\u4e00", "Up"])
    assert len(dropped) == 1
    assert "the same for 2 of 3 titles" in dropped[0]


def test_letter_case_that_a_tokenizer_drops_is_said_only_where_it_tells_titles_apart() -> None:
    assert unread(encoder_of(lower_case()), ENGLISH) == []
    (told,) = unread(encoder_of(lower_case()), ["Heat", "HEAT", "Up"])
    assert "the same for 2 of 3 titles" in told


def test_equal_titles_are_no_fault_of_the_tokenizer() -> None:
    assert unread(encoder_of(word_level()), ["Heat", "Heat"]) == []


def test_a_tokenizer_of_bytes_reads_everything() -> None:
    assert unread(tiny_causal(0).encoder, ["Heat", "\u4e00\u5000", "\u0448\u0443\u043c", "\U0001f600", "$"]) == []
