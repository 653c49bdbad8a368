"""DELRec-plus: parts that add up, titles of one's own, and weights that are kept with the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from stage_world import FILMS, make_world

from engine.errors import Cancelled, StudioError
from engine.monitor import Monitor
from engine.plus import PlusRanker, PlusWeights, learn_weights
from engine.ranking import History
from engine.teachers import Markov, Popularity

N = 6
WEIGHTS = PlusWeights({"teacher": 2.0, "llm": 0.5}, {"teacher": 1.0, "llm": 3.0})


class Table:
    """Scores of ``N`` items and two titles of one's own, by the last item of the history; counts what it is asked."""

    def __init__(self, name: str, seed: int, *, reads_titles: bool) -> None:
        self.name, self.reads_titles, self.asked = name, reads_titles, 0
        self.table = np.random.default_rng(seed).normal(size=(N, N + 2)).astype(np.float32)

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        self.asked += len(histories)
        return np.stack([self.table[int(history[-1]), :N] for history in histories])

    def scores(self, histories: Sequence[History], candidates: np.ndarray) -> np.ndarray:
        rows = np.stack([self.table[int(history[-1])] for history in histories])
        return np.take_along_axis(rows, candidates, axis=1)


@pytest.fixture
def ranker() -> PlusRanker:
    parts = {"teacher": Table("teacher", 1, reads_titles=False), "llm": Table("llm", 2, reads_titles=True)}
    return PlusRanker(parts, WEIGHTS, N)


HISTORIES = [np.array([1, 2]), np.array([4])]


def test_the_sum_is_weighed_as_for_what_is_asked(ranker: PlusRanker) -> None:
    teacher, llm = (part.catalogue_scores(HISTORIES) for part in ranker.parts.values())
    np.testing.assert_allclose(ranker.catalogue_scores(HISTORIES), 2.0 * teacher + 0.5 * llm, rtol=1e-5)
    candidates = np.array([[0, 3, 5], [2, 1, 0]])
    expected = np.take_along_axis(1.0 * teacher + 3.0 * llm, candidates, axis=1)
    np.testing.assert_allclose(ranker.scores(HISTORIES, candidates), expected, rtol=1e-5)


@pytest.mark.parametrize("candidates", [[[0, 3, 5], [2, 1, 0]], [[0, 6, 7], [7, 1, 0]]])
def test_parts_add_up_to_the_scores(ranker: PlusRanker, candidates: list[list[int]]) -> None:
    listed = np.array(candidates)
    parts = ranker.part_scores(HISTORIES, listed)
    assert list(parts) == ["teacher", "llm"]
    np.testing.assert_allclose(sum(parts.values()), ranker.scores(HISTORIES, listed), rtol=1e-5)


def test_of_titles_of_ones_own_the_teacher_expects_the_least_and_the_model_says_what_it_reads(
    ranker: PlusRanker,
) -> None:
    listed = np.array([[0, 6], [7, 1]])
    parts = ranker.part_scores(HISTORIES, listed)
    teacher, llm = ranker.parts.values()
    least = teacher.catalogue_scores(HISTORIES).min(axis=1)
    np.testing.assert_allclose([parts["teacher"][0, 1], parts["teacher"][1, 0]], least, rtol=1e-5)
    np.testing.assert_allclose(parts["llm"], 3.0 * llm.scores(HISTORIES, listed), rtol=1e-5)
    np.testing.assert_allclose(parts["teacher"][0, 0], teacher.catalogue_scores(HISTORIES)[0, 0], rtol=1e-5)


def test_a_history_that_comes_twice_is_read_once(ranker: PlusRanker) -> None:
    asked = [HISTORIES[0], HISTORIES[1], HISTORIES[0]]
    scores = ranker.catalogue_scores(asked)
    ranker.scores(asked, np.zeros((3, 1), np.int64))
    assert [part.asked for part in ranker.parts.values()] == [2, 2]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(scores[0], scores[2])
    assert not np.array_equal(ranker.catalogue_scores([HISTORIES[1]]), scores[:1]), "another one is asked about"


def test_weights_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "plus.json"
    file.write_text(WEIGHTS.to_json())
    assert PlusWeights.read(file, ["teacher", "llm"]) == WEIGHTS


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "[]", "{}", '{"catalogue": {}, "candidates": {}}'),
        '{"catalogue": {"teacher": 1, "llm": "x"}, "candidates": {"teacher": 1, "llm": 1}}',
        '{"catalogue": {"teacher": 1, "llm": NaN}, "candidates": {"teacher": 1, "llm": 1}}',
        '{"catalogue": {"sasrec": 1, "llm": 1}, "candidates": {"teacher": 1, "llm": 1}}',
    ],
)
def test_damaged_weights_are_told_in_one_line(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "plus.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(StudioError, match=r"no usable weights of DELRec-plus.*plus\.json.*start the run anew") as told:
        PlusWeights.read(file, ["teacher", "llm"])
    assert "\n" not in str(told.value)


class Knows(Popularity):
    """Knows what validation users went on to."""

    name = "knows"

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        scores = np.full((len(histories), FILMS), -5.0, np.float32)
        for row, history in zip(scores, histories, strict=True):
            row[self.next[tuple(int(item) for item in history)]] = 0.0
        return scores


def test_who_knows_better_gets_the_weight() -> None:
    world = make_world("plus.enabled=true", form="sequence")
    split = world.split
    knows = Knows(split.train, split.n_items)
    examples = split.weighing or split.validation
    knows.next = {  # type: ignore[attr-defined]
        tuple(map(int, h)): int(t) for h, t in zip(examples.histories, examples.targets, strict=True)
    }
    markov = Markov(split.train, split.n_items)
    weights = learn_weights(world.config, world.dataset, split, {"markov": markov, "knows": knows}, Monitor())
    for found in (weights.catalogue, weights.candidates):
        assert found["knows"] > 1.0
        assert found["knows"] > 5 * found["markov"]
    again = learn_weights(world.config, world.dataset, split, {"markov": markov, "knows": knows}, Monitor())
    assert json.loads(again.to_json()) == json.loads(weights.to_json())


def test_weighing_can_be_stopped() -> None:
    class Stop(Monitor):
        def should_stop(self) -> bool:
            return True

    world = make_world("plus.enabled=true", form="sequence")
    with pytest.raises(Cancelled):
        learn_weights(world.config, world.dataset, world.split, {"popularity": world.teacher}, Stop())
