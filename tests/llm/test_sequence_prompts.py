"""Lists of titles that the model goes on with: their text, their places, and what is answered at each of these."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from families import TRANSFORMERS_FORWARD, random_model
from llm_world import HISTORY, TITLES, make_catalogue

from engine.llm import Backbone, SoftPrompt
from engine.llm.causal import CausalBackbone
from engine.llm.sequence_prompts import SequencePrompts
from engine.llm.tiny import tiny_causal, tiny_seq2seq, tiny_tokenizer
from tests.stage_world import FAMILIES


@pytest.fixture
def lists() -> SequencePrompts:
    return SequencePrompts("movie", "SASRec", make_catalogue(TITLES))


def library() -> Backbone:
    """Of an architecture that the engine reads by Transformers' forward pass, with windows shorter than the prompts."""
    model, tokenizer = random_model(*TRANSFORMERS_FORWARD["gemma2"]), tiny_tokenizer()
    return CausalBackbone(model, tokenizer, "gemma2", "random weights", 512)


CAUSAL = {"read by the engine": lambda: tiny_causal(0), "read by the library": library}


def test_the_three_prompts_read_as_lists(lists: SequencePrompts) -> None:
    a, b, c = (TITLES[item] for item in HISTORY[:3])
    assert lists.lsr(HISTORY[:2], (), False).text() == (
        f"List the movies a user watches, in order, one a line.\n {a}\n {b}\n"
    )
    soft = "Refer to SASRec's pattern and list the movies a user watches, in order, one a line. Pattern:[soft prompt]"
    assert lists.lsr(HISTORY[:2], (), True).text() == f"{soft}\n {a}\n {b}\n"
    assert lists.rps([], ()).text() == f"{soft.replace('Refer to', 'Simulate')}\n"
    hidden = f"{soft.replace('Refer to', 'Analyse')}\n {a}\n (a hidden movie)\n {c}\n The hidden movie is:\n"
    assert lists.hidden(HISTORY[:1], HISTORY[2]).text() == hidden
    assert lists.hidden(HISTORY[:1], None).text() == hidden.replace(f" {c}\n", "")


def test_candidates_leave_no_trace(lists: SequencePrompts) -> None:
    assert lists.lsr(HISTORY, [0, 1], True) == lists.lsr(HISTORY, [2], True)
    assert lists.rps(HISTORY, [0, 1], [1]) == lists.rps(HISTORY, ())
    shown = lists.ta([0], (1, 2), [2, 3], 4, [5, 6])
    assert shown == lists.hidden([0, 1, 2, 3], 4), "the list itself is the demonstration"


@pytest.mark.parametrize("make", FAMILIES.values())
def test_titles_have_exact_spans_and_causal_models_a_slot_before_each(
    make: Callable[[int], Backbone], lists: SequencePrompts
) -> None:
    backbone = make(0)
    encoded = backbone.encode(lists.lsr(HISTORY, (), True), 5)
    titles = [backbone.tokenizer.decode(encoded.ids[encoded.spans["history", i]]) for i in range(len(HISTORY))]
    assert titles == [f" {TITLES[item]}" for item in HISTORY]
    starts = [encoded.spans["history", i].start - 1 for i in range(len(HISTORY))]
    assert encoded.slots == ((*starts, len(encoded) - 1) if backbone.left_to_right else (len(encoded) - 1,))
    hidden = backbone.encode(lists.hidden(HISTORY, 1), 5)
    assert hidden.slots[-1] == len(hidden) - 1


@pytest.mark.parametrize("how", CAUSAL)
def test_at_each_slot_the_state_is_that_of_the_prefix_asked_alone(how: str, lists: SequencePrompts) -> None:
    """Of prompts of several lengths, one of which is another's beginning, with a soft prompt."""
    backbone = CAUSAL[how]()
    soft = SoftPrompt.from_vocabulary(backbone, 5, seed=3)
    histories = [HISTORY, HISTORY[:2], [7, 3, 4], []]
    asked = [lists.lsr(history, (), True) for history in histories]
    batch = backbone.embed([backbone.encode(prompt, 5) for prompt in asked], soft.weight)
    found = backbone.slot_states(batch)
    alone = []
    for history in histories:
        for length in range(len(history) + 1):
            prompt = backbone.encode(lists.lsr(history[:length], (), True), 5)
            alone.append(backbone.answer_states(backbone.embed([prompt], soft.weight))[0])
    assert len(found) == sum(map(len, histories)) + len(histories)
    torch.testing.assert_close(found, torch.stack(alone), atol=1e-4, rtol=1e-4)


def test_a_model_that_reads_texts_as_a_whole_answers_at_their_ends(lists: SequencePrompts) -> None:
    backbone = tiny_seq2seq(0)
    batch = backbone.embed([backbone.encode(lists.lsr(history, (), False)) for history in (HISTORY, [1])])
    torch.testing.assert_close(backbone.slot_states(batch), backbone.answer_states(batch))


@pytest.mark.parametrize("how", CAUSAL)
def test_gradients_of_slots_are_those_of_the_prefixes(how: str, lists: SequencePrompts) -> None:
    backbone = CAUSAL[how]()
    soft = SoftPrompt.from_vocabulary(backbone, 5, seed=3)
    weights = torch.randn(4, backbone.width, generator=torch.Generator().manual_seed(1))

    def gradient(states: torch.Tensor) -> torch.Tensor:
        (found,) = torch.autograd.grad((states * weights).sum(), soft.weight)
        return found

    whole = backbone.embed([backbone.encode(lists.lsr(HISTORY[:3], (), True), 5)], soft.weight)
    prefixes = [backbone.encode(lists.lsr(HISTORY[:length], (), True), 5) for length in range(4)]
    together = gradient(backbone.slot_states(whole))
    alone = gradient(backbone.answer_states(backbone.embed(prefixes, soft.weight)))
    assert alone.abs().max() > 1e-4
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-3)
