"""The text recommender: it learns from titles what ids cannot tell, and the reverse; it is kept as teachers are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from engine.data import Split
from engine.errors import Cancelled, StudioError
from engine.monitor import Monitor
from engine.teachers import TextRecommender, load_text, train_text
from engine.teachers.windows import Windows
from engine.training import write_atomically
from tests.teachers.conftest import N_ITEMS, RING, TINY, leave_one_out, walk
from tests.teachers.test_train import Recorder, assert_equal

KINDS, OF_A_KIND = 3, 8
"""Titles name a kind; whoever chose one kind goes on to the next kind, to whichever item of it."""
WORLD = KINDS * OF_A_KIND
HELD_OUT = np.arange(KINDS) * OF_A_KIND
"""One item of each kind, which nobody chose."""
SHORT = TINY.model_copy(update={"epochs": 6, "validate_every": 2, "batch_size": 16})


def vectors(titles: int = WORLD, seed: int = 0) -> torch.Tensor:
    """Of each title its kind, and something that is its own."""
    own = torch.randn(titles, 6, generator=torch.Generator().manual_seed(seed))
    return torch.cat([torch.eye(KINDS)[torch.arange(titles) // OF_A_KIND % KINDS] * 3, own], dim=1)


@pytest.fixture(scope="module", params=[HELD_OUT, HELD_OUT[:0]], ids=["kept out", "just never chosen"])
def kinds(request: pytest.FixtureRequest) -> Split:
    random = np.random.default_rng(0)
    sequences = []
    for user in range(60):
        own = random.permuted(np.tile(np.arange(1, OF_A_KIND), (KINDS, 1)), axis=1)
        ways = [((user + place) % KINDS, place // KINDS) for place in range(9)]
        sequences.append(np.array([kind * OF_A_KIND + own[kind, turn] for kind, turn in ways]))
    return replace(leave_one_out(sequences, WORLD), cold=request.param)


@pytest.fixture(scope="module")
def trained(kinds: Split, tmp_path_factory: pytest.TempPathFactory) -> TextRecommender:
    checkpoint = tmp_path_factory.mktemp("text") / "checkpoint"
    return train_text(vectors(), kinds, TINY.model_copy(update={"epochs": 20}), 0, checkpoint, Monitor())


def test_items_that_nobody_chose_are_told_apart_by_their_titles(trained: TextRecommender) -> None:
    for kind in range(KINDS):
        scores = trained.scores([[kind * OF_A_KIND + 2]], HELD_OUT[None])[0]
        assert scores.argmax() == (kind + 1) % KINDS, "ids would let them tie"
    bias = trained.network.bias[torch.from_numpy(HELD_OUT)]
    assert (bias == trained.network.bias.min()).all(), "nobody expects one of them more than another"


def test_items_whose_titles_say_nothing_are_told_apart_by_their_ids(ring: Split, tmp_path: Path) -> None:
    """All have one title; whoever chose one item goes on to the next."""
    config = TINY.model_copy(update={"epochs": 120})
    text = train_text(torch.ones(N_ITEMS, 4), ring, config, 0, tmp_path / "checkpoint", Monitor())
    scores = text.catalogue_scores([walk(begin, 4) for begin in range(RING)])
    assert (scores.argmax(axis=1) == (np.arange(RING) + 4) % RING).mean() > 0.7, "one of twelve by titles alone"


def test_what_nobody_chose_has_no_id(trained: TextRecommender) -> None:
    ids = trained.network.items.ids
    chosen = torch.ones(WORLD, dtype=torch.bool)
    chosen[HELD_OUT] = False
    assert not ids[HELD_OUT].any()
    assert ids[chosen].any(dim=1).all()


def test_weights_of_an_earlier_version_know_titles_alone(trained: TextRecommender, tmp_path: Path) -> None:
    older = trained.about(vectors())
    torch.nn.init.zeros_(older.network.items.ids)
    weights = older.network.state_dict()
    del weights["items.ids"]
    write_atomically(weights, tmp_path / "text.safetensors", older.metadata())
    loaded = load_text(tmp_path / "text.safetensors", vectors())
    histories = [walk(0, 4), []]
    np.testing.assert_array_equal(loaded.catalogue_scores(histories), older.catalogue_scores(histories))


def test_titles_of_ones_own_are_read_in_the_history_and_among_candidates(trained: TextRecommender) -> None:
    """Three of them, one of each kind, behind the catalogue's."""
    mine = torch.cat([vectors(), vectors()[HELD_OUT]])
    about = trained.about(mine)
    own = WORLD + np.arange(KINDS)
    for kind in range(KINDS):
        scores = about.scores([[own[kind]], [kind * OF_A_KIND + 2]], np.tile(own, (2, 1)))
        assert scores.argmax(axis=1).tolist() == [(kind + 1) % KINDS] * 2
    histories = [walk(0, 4), walk(5, 7), []]
    known = about.catalogue_scores(histories)[:, :WORLD]
    told = trained.catalogue_scores(histories)
    np.testing.assert_allclose(known - known[:, :1], told - told[:, :1], atol=1e-4)


def test_permuted_titles_take_the_knowledge_along(trained: TextRecommender) -> None:
    turned = (np.arange(WORLD) + OF_A_KIND) % WORLD
    wrong = trained.about(vectors()[turned])
    for kind in range(KINDS):
        asked = [[(kind * OF_A_KIND + 2 - OF_A_KIND) % WORLD]]
        assert wrong.scores(asked, HELD_OUT[None])[0].argmax() == kind, "the next kind's titles stand one kind before"


def test_it_learns_by_the_gradients_of_a_softmax_over_the_catalogue(kinds: Split) -> None:
    """Those that autograd finds for the whole, titles' network included."""
    split = replace(kinds, cold=np.empty(0, np.int64))
    torch.manual_seed(0)
    network = TextRecommender(vectors(), SHORT).network
    network.eval()  # two passes would drop other units
    batch = next(Windows(split.train, 7, network.start).batches(8, np.random.default_rng(0)))
    loss, labels = network.backward(batch, torch.arange(WORLD), np.random.default_rng(0))
    found = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}  # type: ignore[union-attr]
    network.zero_grad()
    expected = cross_entropy(network.logits(network(batch.inputs, batch.real)[batch.real]), batch.labels[batch.real])
    expected.backward()
    assert loss / labels == pytest.approx(expected.item(), rel=1e-5)
    assert "items.read.0.weight" in found
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("negatives", [None, 5])
@pytest.mark.parametrize("stop", [0, 3])
def test_stopped_and_resumed_equals_uninterrupted(
    stop: int, negatives: int | None, kinds: Split, tmp_path: Path
) -> None:
    class Stop(Recorder):
        def progress(self, stage: str, done: int, total: int) -> None:
            assert stage == "text"
            self.done = done

    def run(name: str, monitor: Monitor) -> TextRecommender:
        config = SHORT.model_copy(update={"negatives": negatives})
        return train_text(vectors(), kinds, config, 3, tmp_path / name, monitor)

    expected = run("whole", Monitor())
    with pytest.raises(Cancelled):
        run("part", Stop(stop))
    torch.manual_seed(12345)
    assert_equal(run("part", Monitor()), expected)


def test_loaded_equals_saved_and_another_catalogue_is_refused(trained: TextRecommender, tmp_path: Path) -> None:
    file = tmp_path / "text.safetensors"
    trained.save(file)
    loaded = load_text(file, vectors())
    histories = [walk(begin, length) for begin in range(4) for length in (0, 1, 9)]
    np.testing.assert_allclose(loaded.catalogue_scores(histories), trained.catalogue_scores(histories), atol=1e-6)
    assert (loaded.name, loaded.validated) == ("text", trained.validated)
    with pytest.raises(StudioError, match="knows 24 items, the catalogue has 23"):
        load_text(file, vectors()[:-1])
    with pytest.raises(StudioError, match=r"damaged.*text\.safetensors"):
        load_text(file, vectors()[:, :-1])


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize("width", [0, 1])
def test_titles_that_tell_nothing_are_no_error(width: int, ring: Split, tmp_path: Path) -> None:
    """Where there are fewer than two titles, or all are alike, vectors have no numbers."""
    text = train_text(torch.zeros(N_ITEMS, width), ring, SHORT, 0, tmp_path / "checkpoint", Monitor())
    assert np.isfinite(text.catalogue_scores([walk(0, 3)])).all()
