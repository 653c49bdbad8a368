"""Prompts that begin alike are read once, and nothing but the time it takes may change."""

import pytest
import torch

from engine.llm.backbone import Embedded
from engine.llm.sharing import NOBODY, SHORTEST_STEM, STEM, share
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


TRUNK = list(range(5, 15))
ANNA, BELA = list(range(20, 50)), list(range(60, 85))
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


def test_tokens_are_laid_out_once(backbone):
    layout = share(batch_of(backbone, PROMPTS["stems"]))
    assert layout.trunk == len(TRUNK)
    assert layout.row.tolist() == [0, 0, 1, 1]
    assert (layout.prompt != NOBODY).sum(1).tolist() == [len(ANNA) + 3, len(BELA) + 4]
    assert (layout.branch == STEM).sum(1).tolist() == [len(ANNA), len(BELA)]


def test_short_likeness_beyond_the_trunk_makes_no_stem(backbone):
    nearly = list(range(100, 100 + SHORTEST_STEM - 1))
    layout = share(batch_of(backbone, [TRUNK + nearly + [1, 2], TRUNK + nearly + [3], [*TRUNK, 4]]))
    assert layout.row.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("users", "each", "rows"),
    [(3, 2, 3), (3, 4, 3), (1, 40, 40)],
    ids=["pairs about a user", "four about a user", "a row that would be far too wide"],
)
def test_stems_are_shared_where_that_costs_less_than_the_wider_mask(backbone, users, each, rows):
    prompts = [
        TRUNK + list(range(40 * user, 40 * user + 30)) + [(97 * user + 13 * number + k) % 250 for k in range(20)]
        for user in range(1, users + 1)
        for number in range(each)
    ]
    layout = share(batch_of(backbone, [*prompts, *([[*TRUNK, 9]] if users == 1 else [])]))
    assert len(set(layout.row[: len(prompts)].tolist())) == rows


@pytest.mark.parametrize("name", ["trunk only", "stems"])
def test_gradients_are_those_of_reading_one_by_one(backbone, name):
    gradients = []
    for read in (backbone.answer_states, lambda batch: one_by_one(backbone, batch)):
        soft = torch.full((4, backbone.width), 0.1, requires_grad=True)
        read(batch_of(backbone, PROMPTS[name], soft)).pow(2).sum().backward()
        gradients.append(soft.grad)
    assert gradients[0].abs().sum() > 0
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)


def test_changed_inputs_are_not_taken_for_shared_ones(backbone):
    """Explanations scale embeddings of the same token ids, row by row."""
    batch = batch_of(backbone, PROMPTS["all the same"])
    scaled = Embedded(batch.inputs * torch.tensor([0.2, 0.6, 1.0])[:, None, None], batch.lengths)
    torch.testing.assert_close(backbone.answer_states(scaled), one_by_one(backbone, scaled), atol=1e-5, rtol=1e-4)
