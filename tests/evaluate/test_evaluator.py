"""Asking the models: same questions for all, nothing asked twice, nothing stale believed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import Cancelled, StudioError
from engine.evaluate import Evaluation, evaluate, sample_users
from engine.evaluate.evaluator import CHUNK
from engine.metrics.ranks import per_example


def _evaluate(
    world: Any, folder: Path, monitor: Any, names: list[str] | None = None, whole: str | None = None
) -> Evaluation:
    return evaluate(
        [replace(entry, whole=entry.name == whole) for entry in world.entries(names)],
        "sasrec",
        world.examples,
        world.candidates,
        n_items=world.n_items,
        top=8,
        folder=folder,
        monitor=monitor,
    )


def _assert_equal(a: Evaluation, b: Evaluation) -> None:
    assert list(a.rows) == list(b.rows)
    for x, y in zip(a.rows.values(), b.rows.values(), strict=True):
        for left, right in (
            (x.candidates, y.candidates),
            (x.full.better, y.full.better),
            (x.full.tied, y.full.tied),
            (x.listing.items, y.listing.items),
            (x.listing.scores, y.listing.scores),
        ):
            assert np.array_equal(left, right)
            assert left.dtype == right.dtype


def test_the_sample_of_users_is_fixed_by_the_seed_and_nothing_else() -> None:
    np.random.seed(1)  # global state must not matter
    first = sample_users(943, 300, seed=5)
    np.random.seed(2)
    assert np.array_equal(first, sample_users(943, 300, seed=5))
    assert not np.array_equal(first, sample_users(943, 300, seed=6))
    assert len(np.unique(first)) == 300
    assert (np.diff(first) > 0).all()
    assert 0 <= first.min() <= first.max() < 943


@pytest.mark.parametrize("users", [None, 10, 11])
def test_a_sample_as_large_as_all_is_all(users: int | None) -> None:
    assert sample_users(10, users, seed=0).tolist() == list(range(10))


def test_rows_come_as_baselines_teachers_llms(world: Any, tmp_path: Path, recorder: Callable[..., Any]) -> None:
    names = ["delrec", "sasrec", "llm-zero-shot", "popularity"]
    assert list(_evaluate(world, tmp_path, recorder(), names).rows) == [
        "popularity",
        "sasrec",
        "delrec",
        "llm-zero-shot",
    ]


def test_every_model_is_asked_about_every_user_and_built_once(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    evaluation = _evaluate(world, tmp_path, recorder())
    assert world.built == list(evaluation.rows)
    assert sum(world.rankers["sasrec"].asked) == 75
    assert sum(world.rankers["delrec"].asked) == 2 * 75
    table = world.rankers["delrec"].table
    for i, history in enumerate(world.examples.histories):
        assert np.array_equal(evaluation.rows["delrec"].candidates[i], table[history[-1]][world.candidates[i]])


def test_llm_rows_reorder_one_and_the_same_teacher_list(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    rows = _evaluate(world, tmp_path, recorder()).rows
    listed = np.sort(rows["sasrec"].listing.items, axis=1)
    for name in ("llm-zero-shot", "llm-distilled", "delrec"):
        assert np.array_equal(np.sort(rows[name].listing.items, axis=1), listed)
    assert not np.array_equal(rows["delrec"].listing.items, rows["llm-distilled"].listing.items)


def test_an_llm_row_that_scores_the_whole_catalogue_is_ranked_as_a_teacher_is(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    world.rankers["delrec"].table = world.rankers["popularity"].table
    rows = _evaluate(world, tmp_path, recorder(), whole="delrec").rows
    assert rows["delrec"].kind == "llm"
    assert np.array_equal(rows["delrec"].listing.items, rows["popularity"].listing.items)
    assert np.array_equal(rows["delrec"].full.expected, rows["popularity"].full.expected)
    assert np.array_equal(rows["delrec"].candidates, rows["popularity"].candidates)


def test_full_ranks_agree_with_the_lists(world: Any, tmp_path: Path, recorder: Callable[..., Any]) -> None:
    evaluation = _evaluate(world, tmp_path, recorder())
    for row in evaluation.rows.values():
        found = row.listing.items == world.examples.targets[:, None]
        inside = found.any(axis=1)
        assert np.array_equal(row.full.expected[inside], found.argmax(axis=1)[inside] + 1)
        assert (row.full.expected[~inside] > 8).all()


def test_an_llm_that_copies_the_teacher_has_its_metrics(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    world.rankers["delrec"].table = world.rankers["sasrec"].table
    rows = _evaluate(world, tmp_path, recorder()).rows
    for ranks in ("ranks", "full"):
        ours, theirs = per_example(getattr(rows["delrec"], ranks)), per_example(getattr(rows["sasrec"], ranks))
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(("sign", "hit", "rank"), [(1, 1.0, 1), (-1, 0.0, 10)])
def test_an_oracle_is_perfect_and_its_opposite_hopeless(
    world: Any, tmp_path: Path, recorder: Callable[..., Any], sign: int, hit: float, rank: int
) -> None:
    targets = {h.tobytes(): t for h, t in zip(world.examples.histories, world.examples.targets, strict=True)}

    def oracle(histories: Any) -> np.ndarray:
        return np.stack([sign * (np.arange(world.n_items) == targets[h.tobytes()]) for h in histories])

    world.rankers["sasrec"].catalogue_scores = oracle
    row = _evaluate(world, tmp_path, recorder()).rows["sasrec"]
    assert (per_example(row.ranks)["HR@1"] == hit).all()
    assert (row.ranks.expected == rank).all()
    if sign > 0:
        assert (row.full.expected == 1).all()


def test_the_order_of_candidates_and_of_users_changes_nothing(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    plain = _evaluate(world, tmp_path / "a", recorder())
    order = np.random.default_rng(0).permutation(75)
    world.examples = world.examples.take(order)
    world.candidates = np.random.default_rng(1).permuted(world.candidates[order], axis=1)
    shuffled = _evaluate(world, tmp_path / "b", recorder())
    for name, row in plain.rows.items():
        assert np.array_equal(row.ranks.expected[order], shuffled.rows[name].ranks.expected)
        assert np.array_equal(row.full.expected[order], shuffled.rows[name].full.expected)


@pytest.mark.parametrize("stop_after", range(1, 20, 2))
def test_a_cancelled_evaluation_resumes_without_asking_twice(
    world: Any, tmp_path: Path, recorder: Callable[..., Any], stop_after: int
) -> None:
    whole = _evaluate(world, tmp_path / "whole", recorder())
    for ranker in world.rankers.values():
        ranker.asked.clear()
    with pytest.raises(Cancelled):
        _evaluate(world, tmp_path / "cut", recorder(stop_after))
    _assert_equal(_evaluate(world, tmp_path / "cut", recorder()), whole)
    assert {name: sum(ranker.asked) for name, ranker in world.rankers.items()} == {
        "popularity": 75,
        "sasrec": 75,
        "llm-zero-shot": 150,
        "llm-distilled": 150,
        "delrec": 150,
    }


def test_a_killed_evaluation_repeats_no_finished_model(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    def killed(histories: object, candidates: object) -> np.ndarray:
        raise KeyboardInterrupt

    whole = _evaluate(world, tmp_path / "whole", recorder())
    world.built.clear()
    honest = world.rankers["delrec"].scores
    world.rankers["delrec"].scores = killed
    with pytest.raises(KeyboardInterrupt):
        _evaluate(world, tmp_path / "cut", recorder())
    world.rankers["delrec"].scores = honest
    world.built.clear()
    _assert_equal(_evaluate(world, tmp_path / "cut", recorder()), whole)
    assert world.built == ["delrec"]


def test_a_finished_evaluation_builds_no_model(world: Any, tmp_path: Path, recorder: Callable[..., Any]) -> None:
    first = _evaluate(world, tmp_path, recorder())
    world.built.clear()
    monitor = recorder()
    _assert_equal(_evaluate(world, tmp_path, monitor), first)
    assert world.built == []
    assert monitor.reports[-1] == (231, 231)


def test_answers_to_other_questions_are_not_believed(world: Any, tmp_path: Path, recorder: Callable[..., Any]) -> None:
    _evaluate(world, tmp_path, recorder())
    world.candidates = world.candidates[:, ::-1].copy()
    world.built.clear()
    _assert_equal(_evaluate(world, tmp_path, recorder()), _evaluate(world, tmp_path / "new", recorder()))
    assert world.built[:5] == list(world.rankers)


def test_other_weights_are_asked_anew_and_a_new_teacher_list_too(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    _evaluate(world, tmp_path, recorder())
    world.built.clear()
    world.rankers["sasrec"].table = -world.rankers["sasrec"].table
    entries = [
        entry if entry.name != "sasrec" else type(entry)(entry.name, entry.kind, entry.build, version="2")
        for entry in world.entries()
    ]
    evaluate(
        entries,
        "sasrec",
        world.examples,
        world.candidates,
        n_items=world.n_items,
        top=8,
        folder=tmp_path,
        monitor=recorder(),
    )
    assert world.built == ["sasrec", "llm-zero-shot", "llm-distilled", "delrec"]


def test_a_damaged_file_is_replaced(world: Any, tmp_path: Path, recorder: Callable[..., Any]) -> None:
    first = _evaluate(world, tmp_path, recorder())
    file = tmp_path / "delrec.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    world.built.clear()
    _assert_equal(_evaluate(world, tmp_path, recorder()), first)
    assert world.built == ["delrec"]


def test_progress_only_rises_and_ends_at_its_total(world: Any, tmp_path: Path, recorder: Callable[..., Any]) -> None:
    monitor = recorder()
    _evaluate(world, tmp_path, monitor)
    done = [done for done, _ in monitor.reports]
    assert done == sorted(done)
    assert {total for _, total in monitor.reports} == {3 * 75 + 2 * 3}  # a user per LLM row, a chunk per quick row
    assert done[-1] == 231


def test_no_model_is_asked_about_more_users_at_once_than_a_chunk(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    """So that memory does not grow with users times items, and progress and cancellation come often."""
    again = np.tile(np.arange(75), 4)
    world.examples, world.candidates = world.examples.take(again), world.candidates[again]
    monitor = recorder()
    _evaluate(world, tmp_path, monitor, whole="delrec")
    for name, ranker in world.rankers.items():
        lists = 1 if name in ("popularity", "sasrec", "delrec") else 2  # candidates and the teacher's best
        assert max(ranker.asked) <= CHUNK * lists
        assert sum(ranker.asked) == 300 * lists
    steps = [after - before for (before, _), (after, _) in itertools.pairwise(monitor.reports)]
    assert max(steps) <= CHUNK


def test_a_model_whose_scores_are_no_numbers_is_named(world: Any, tmp_path: Path, recorder: Callable[..., Any]) -> None:
    world.rankers["delrec"].table[:] = np.nan
    with pytest.raises(StudioError, match=r"NaN.*delrec"):
        _evaluate(world, tmp_path, recorder())


def test_the_teacher_must_be_among_the_entries(world: Any, tmp_path: Path, recorder: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="sasrec"):
        _evaluate(world, tmp_path, recorder(), ["popularity", "delrec"])
    with pytest.raises(ValueError, match="different names"):
        _evaluate(world, tmp_path, recorder(), ["sasrec", "delrec", "delrec"])


def _together(world: Any, folder: Path, monitor: Any) -> Any:
    """All LLM rows in one group, which score the whole catalogue, and the order in which they were asked."""
    order: list[str] = []
    for name, ranker in world.rankers.items():
        inner = type(ranker).catalogue_scores.__get__(ranker)

        def told(histories: Any, name: str = name, inner: Any = inner) -> np.ndarray:
            order.append(name)
            answer: np.ndarray = inner(histories)
            return answer

        ranker.catalogue_scores = told
    entries = [
        replace(entry, whole=entry.kind == "llm", group="llm" if entry.kind == "llm" else "")
        for entry in world.entries()
    ]
    sizes = {"n_items": world.n_items, "top": 8}
    try:
        return evaluate(
            entries, "sasrec", world.examples, world.candidates, folder=folder, monitor=monitor, **sizes
        ), order
    finally:
        for ranker in world.rankers.values():
            del ranker.catalogue_scores


LLMS = ["llm-zero-shot", "llm-distilled", "delrec"]


def test_a_group_is_asked_chunk_by_chunk_and_answers_as_one_by_one(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    monitor = recorder()
    together, order = _together(world, tmp_path / "together", monitor)
    assert order == ["popularity"] * 3 + ["sasrec"] * 3 + LLMS * 3
    done = [done for done, _ in monitor.reports]
    assert done == sorted(done)
    assert monitor.reports[-1] == (231, 231)
    world.rankers = {name: world.rankers[name] for name in ("popularity", "sasrec", "delrec")}
    alone = _evaluate(world, tmp_path / "alone", recorder(), whole="delrec")
    for name, row in alone.rows.items():
        assert np.array_equal(row.candidates, together.rows[name].candidates)
        assert np.array_equal(row.listing.items, together.rows[name].listing.items)


@pytest.mark.parametrize("stop_after", range(8, 17, 2))
def test_a_group_that_was_cancelled_goes_on_where_each_of_its_rows_was(
    world: Any, tmp_path: Path, recorder: Callable[..., Any], stop_after: int
) -> None:
    whole, _ = _together(world, tmp_path / "whole", recorder())
    for ranker in world.rankers.values():
        ranker.asked.clear()
    with pytest.raises(Cancelled):
        _together(world, tmp_path / "cut", recorder(stop_after))
    (tmp_path / "cut" / "llm-distilled.safetensors").unlink(missing_ok=True)  # one that has to catch up
    before = sum(world.rankers["llm-distilled"].asked)
    again, order = _together(world, tmp_path / "cut", recorder())
    _assert_equal(again, whole)
    for name, ranker in world.rankers.items():
        assert sum(ranker.asked) == 75 + (before if name == "llm-distilled" else 0)
    assert order[-3:] == LLMS or "llm-zero-shot" not in order, "those that have caught up go on together"
