"""Prompts that begin alike are read once, and nothing but the time it takes may change."""

import pytest
import torch

from engine.llm.backbone import Embedded
from engine.llm.prefix_tree import SHORTEST_STEM, lay_out
from engine.llm.tiny import tiny_causal


@pytest.fixture(scope="module")
def backbone():
    return tiny_causal(seed=0)


def batch_of(backbone, prompts: list[list[int]], soft: torch.Tensor | None = None) -> Embedded:
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(prompt) for prompt in prompts], True, backbone.encoder.pad_id)
    inputs = backbone.embedding()(ids)
    if soft is not None:
        inputs = torch.cat([inputs[:, :2], soft.expand(len(prompts), -1, -1), inputs[:, 2:]], dim=1)
    grown = 0 if soft is None else len(soft)
    return Embedded(inputs, torch.tensor([len(prompt) + grown for prompt in prompts]))


def one_by_one(backbone, batch: Embedded) -> torch.Tensor:
    rows = [
        backbone.answer_states(Embedded(batch.inputs[i : i + 1, :length], batch.lengths[i : i + 1]))
        for i, length in enumerate(batch.lengths.tolist())
    ]
    return torch.cat(rows)


TRUNK = list(range(5, 5 + SHORTEST_STEM))
ANNA, BELA = list(range(30, 60)), list(range(60, 85))
PROMPTS = {
    "trunk only": [[*TRUNK, 30, 31], [*TRUNK, 40], [*TRUNK, 50, 51, 52, 53]],
    "stems": [TRUNK + ANNA + [1, 2], TRUNK + ANNA + [3], TRUNK + BELA + [4, 5, 6], TRUNK + BELA + [7]],
    "a stem and a single": [TRUNK + ANNA + [1, 2], TRUNK + ANNA + [3, 4, 5, 6], [*TRUNK, 9]],
    "nothing shared": [[5, 6, 7], [8, 9], [10]],
    "all the same": [TRUNK + ANNA] * 3,
    "one begins the other": [TRUNK + ANNA, TRUNK + ANNA + [1, 2, 3]],
}


@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS.keys())
def test_shared_reading_equals_reading_one_by_one(backbone, prompts):
    batch = batch_of(backbone, prompts)
    torch.testing.assert_close(backbone.answer_states(batch), one_by_one(backbone, batch), atol=1e-5, rtol=1e-4)


def shape(batch: Embedded) -> list[tuple[int, ...]]:
    """For each prompt: the lengths of the spans that make it up."""
    return [tuple(len(span) for span in leaf.path) for leaf in lay_out(batch).leaves]


def test_every_token_is_laid_out_once_and_every_prompt_is_whole(backbone):
    prompts = PROMPTS["stems"]
    layout = lay_out(batch_of(backbone, prompts))
    assert len(layout.prompt) == len(TRUNK + ANNA + BELA) + 3 + 4
    assert [span.start for span in layout.spans[1:]] == [span.end for span in layout.spans[:-1]]
    for number, (prompt, leaf) in enumerate(zip(prompts, layout.leaves, strict=True)):
        places = [place for span in leaf.path for place in range(span.start, span.end)]
        assert layout.position[places].tolist() == list(range(len(prompt)))
        owners = layout.prompt[places].tolist()
        assert [prompts[owner][at] for at, owner in enumerate(owners)] == prompts[number]


def test_stems_of_stems_are_shared_too(backbone):
    prompts = [TRUNK + ANNA + BELA + [1], TRUNK + ANNA + BELA + [2], TRUNK + ANNA + [3, 4], [*TRUNK, 5]]
    assert shape(batch_of(backbone, prompts)) == [(16, 30, 25, 1), (16, 30, 25, 1), (16, 30, 2), (16, 1)]


def test_short_likeness_is_not_worth_a_span(backbone):
    nearly = list(range(100, 100 + SHORTEST_STEM - 1))
    assert shape(batch_of(backbone, [[*nearly, 1, 2], [*nearly, 3]])) == [(17,), (16,)]
    prompts = [TRUNK + nearly + [1, 2], TRUNK + nearly + [3], [*TRUNK, 4]]
    assert shape(batch_of(backbone, prompts)) == [(16, 17), (16, 16), (16, 1)]


@pytest.mark.parametrize("name", ["trunk only", "stems"])
def test_gradients_are_those_of_reading_one_by_one(backbone, name):
    gradients = []
    for read in (backbone.answer_states, lambda batch: one_by_one(backbone, batch)):
        soft = torch.full((4, backbone.width), 0.1, requires_grad=True)
        read(batch_of(backbone, PROMPTS[name], soft)).pow(3).sum().backward()  # squares of a norm say nothing
        gradients.append(soft.grad)
    assert gradients[0].abs().sum() > 0.01
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)


def test_changed_inputs_are_not_taken_for_shared_ones(backbone):
    """Explanations scale embeddings of the same token ids, row by row."""
    batch = batch_of(backbone, PROMPTS["all the same"])
    scaled = Embedded(batch.inputs * torch.tensor([0.2, 0.6, 1.0])[:, None, None], batch.lengths)
    torch.testing.assert_close(backbone.answer_states(scaled), one_by_one(backbone, scaled), atol=1e-5, rtol=1e-4)
