"""Vectors of titles that have been read: whitened, the same wherever a title stands, read once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from llm_world import TITLES

from engine.llm import Backbone
from engine.llm import title_vectors as module
from engine.llm.tiny import tiny_causal
from engine.llm.title_vectors import DEPTH, mean_states, title_vectors
from tests.stage_world import FAMILIES

MANY = tuple(f"{word} {letter}" for word in ("movie", "game", "item") for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@pytest.mark.parametrize("make", FAMILIES.values())
def test_over_the_catalogue_their_mean_is_zero_and_their_covariance_one(make: Callable[[int], Backbone]) -> None:
    vectors = title_vectors(make(0), MANY, len(MANY)).double()
    assert vectors.shape[1] > 8
    torch.testing.assert_close(vectors.mean(0), torch.zeros_like(vectors[0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(vectors.T.cov(), torch.eye(vectors.shape[1]).double(), atol=1e-2, rtol=0)


def test_a_title_of_ones_own_is_measured_as_the_catalogue_is() -> None:
    """A title that the catalogue has too gets that vector again, and moves nobody's."""
    backbone = tiny_causal(0)
    known = title_vectors(backbone, TITLES, len(TITLES))
    more = title_vectors(backbone, (*TITLES, "Fargo", "Wholly New"), len(TITLES))
    assert torch.equal(more[: len(TITLES)], known)
    torch.testing.assert_close(more[-2], known[TITLES.index("Fargo")], atol=1e-2, rtol=1e-2)
    assert (more[-1] - known).norm(dim=1).min() > 0.1


@pytest.mark.parametrize("make", FAMILIES.values())
def test_titles_are_read_as_the_model_reads_their_tokens(make: Callable[[int], Backbone]) -> None:
    """From ids, by Transformers; also where it scales their embeddings beside the module, as M2M100 and Pegasus do."""
    backbone = make(0)
    ids = [*backbone.encoder.frame.before[:1], *backbone.tokens(" Fargo")]
    level = max(1, round(DEPTH * len(backbone._reading_blocks())))
    reading = backbone.model.get_encoder() if backbone.encoder_decoder else backbone.model.get_decoder()
    for scale in (1.0, 8.0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backbone, "embed_tokens", lambda given, by=scale: by * backbone.embedding()(given))
            found = mean_states(backbone, ["Fargo"])[0]
        inputs = scale * backbone.embedding()(torch.tensor([ids]))
        states = reading(inputs_embeds=inputs, output_hidden_states=True).hidden_states[level]
        torch.testing.assert_close(found, states[0, len(ids) - len(backbone.tokens(" Fargo")) :].mean(0))


def test_the_order_of_words_matters() -> None:
    states = mean_states(tiny_causal(0), ["game movie item", "item movie game"])
    assert (states[0] - states[1]).abs().max() > 1e-3


def test_the_catalogues_titles_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny_causal(0)
    first = title_vectors(backbone, TITLES, len(TITLES))
    asked: list[list[str]] = []
    real = module.mean_states
    monkeypatch.setattr(module, "mean_states", lambda b, titles: asked.append(list(titles)) or real(b, titles))
    assert torch.equal(title_vectors(backbone, TITLES, len(TITLES)), first)
    title_vectors(backbone, (*TITLES, "Mine"), len(TITLES))
    assert asked == [["Mine"]]


def test_in_another_order_titles_keep_their_vectors() -> None:
    turned = title_vectors(tiny_causal(0), TITLES[::-1], len(TITLES))
    assert torch.equal(turned.flip(0), title_vectors(tiny_causal(0), TITLES, len(TITLES)))


@pytest.mark.parametrize("known", [0, 1])
def test_where_there_is_nothing_to_compare_with_vectors_are_empty(known: int) -> None:
    assert title_vectors(tiny_causal(0), TITLES[:1], known).shape == (1, 0)
