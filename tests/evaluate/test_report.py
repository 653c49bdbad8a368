"""The object in metrics.json: its schema, its honesty, its reproducibility; and the per-user predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import RunConfig
from engine.errors import StudioError
from engine.evaluate import (
    Context,
    Evaluation,
    Report,
    build_report,
    evaluate,
    read_predictions,
    read_scores,
    write_predictions,
)
from engine.evaluate import predictions as module
from engine.evaluate.user_groups import user_groups
from engine.evaluate.users import user_rows
from engine.metrics.ranks import METRICS, per_example
from engine.monitor import Monitor
from engine.settings import make_config

CONFIG = make_config({"data": {"candidates": 10}, "distill": {"teacher_top": 5}, "eval": {"bootstrap": 200}})


def _evaluated(world: Any, folder: Path) -> Evaluation:
    return evaluate(
        world.entries(),
        "sasrec",
        world.examples,
        world.candidates,
        n_items=world.n_items,
        top=8,
        folder=folder,
        monitor=Monitor(),
    )


def _report(evaluation: Evaluation, config: RunConfig = CONFIG) -> Report:
    return build_report(
        evaluation,
        _context(evaluation),
        config,
        run_id="r1",
        dataset="toy",
        users_available=100,
        stages=[{"name": "teacher", "seconds": 2.5, "done": True}],
        peak_memory_mb=512.0,
    )


def _context(evaluation: Evaluation) -> Context:
    """Items 0 to 59 were chosen 0, 2, 4 … times in training; every third target is tied."""
    popularity = 2 * np.arange(evaluation.n_items)
    examples = evaluation.examples
    return Context(
        popularity=popularity,
        train_users=200,
        genres=tuple(("Drama",) if item % 2 else ("Comedy", "Drama") for item in range(evaluation.n_items)),
        rarity=popularity[examples.targets],
        lengths=np.array([len(history) for history in examples.histories]),
        tied=examples.users % 3 == 0,
    )


@pytest.fixture
def evaluation(world: Any, tmp_path: Path) -> Evaluation:
    return _evaluated(world, tmp_path / "rows")


@pytest.fixture
def report(evaluation: Evaluation) -> Report:
    return _report(evaluation)


def test_the_object_has_the_documented_form(report: Report) -> None:
    data = json.loads(report.to_json())
    assert set(data) == {
        *("run_id", "dataset", "protocol", "users", "seed", "models", "comparisons", "stages", "peak_memory_mb"),
        *("protocol_details", "slices", "teachers"),
    }
    assert (data["run_id"], data["dataset"], data["users"], data["seed"]) == ("r1", "toy", 75, 0)
    assert data["stages"] == [{"name": "teacher", "seconds": 2.5}]
    assert data["peak_memory_mb"] == 512.0
    assert [(row["name"], row["kind"]) for row in data["models"]] == [
        ("popularity", "baseline"),
        ("sasrec", "teacher"),
        ("llm-zero-shot", "llm"),
        ("llm-distilled", "llm"),
        ("delrec", "llm"),
    ]
    for row in data["models"]:
        assert set(row) == {"name", "kind", "candidates", "full", "agreement", "warm_candidates", "lists"}
        assert list(row["candidates"]) == list(row["full"]) == ["HR@1", "HR@5", "HR@10", "NDCG@5", "NDCG@10"]
        assert list(row["agreement"]) == ["top-1", "overlap@5", "kendall-tau"]
        for section in ("candidates", "full", "agreement"):
            for estimate in row[section].values():
                assert set(estimate) == {"value", "low", "high"}
                assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert set(data["comparisons"][0]) == {"a", "b", "metric", "difference", "low", "high"}


def test_it_reads_back_as_itself(report: Report) -> None:
    assert Report.model_validate_json(report.to_json()) == report


def test_reports_of_earlier_versions_open(report: Report) -> None:
    old = json.loads(report.to_json())
    del old["slices"]
    for row in old["models"]:
        del row["lists"]
    read = Report.model_validate(old)
    assert read.slices == []
    assert [row.lists for row in read.models] == [{}] * 5


def test_values_are_means_over_users(evaluation: Evaluation, report: Report) -> None:
    for name, row in evaluation.rows.items():
        for section, ranks in (("candidates", row.ranks), ("full", row.full)):
            for metric, values in per_example(ranks).items():
                assert getattr(report.model(name), section)[metric].value == pytest.approx(values.mean(), abs=1e-8)


def test_the_teacher_agrees_with_itself(report: Report) -> None:
    agreement = report.model("sasrec").agreement
    assert [(e.value, e.low, e.high) for e in agreement.values()] == [(1.0, 1.0, 1.0)] * 3


def test_every_model_is_compared_with_the_teacher_and_delrec_with_its_stages(report: Report) -> None:
    metrics = [f"{section}.{metric}" for section in ("candidates", "full") for metric in METRICS]
    pairs = [(name, "sasrec") for name in ("popularity", "llm-zero-shot", "llm-distilled", "delrec")]
    pairs += [("delrec", "llm-zero-shot"), ("delrec", "llm-distilled")]
    assert [(c.a, c.b, c.metric) for c in report.comparisons] == [(a, b, m) for a, b in pairs for m in metrics]


def test_differences_are_those_of_the_values(report: Report) -> None:
    for c in report.comparisons:
        section, _, metric = c.metric.partition(".")
        values = [getattr(report.model(name), section)[metric].value for name in (c.a, c.b)]
        assert c.difference == pytest.approx(values[0] - values[1], abs=2e-8)
        assert c.low <= c.difference <= c.high


def test_a_copy_of_the_teacher_differs_by_nothing(world: Any, tmp_path: Path) -> None:
    world.rankers["delrec"].table = world.rankers["sasrec"].table
    report = _report(_evaluated(world, tmp_path))
    copies = [c for c in report.comparisons if (c.a, c.b) == ("delrec", "sasrec")]
    assert [(c.difference, c.low, c.high) for c in copies] == [(0.0, 0.0, 0.0)] * 10
    assert not any(c.significant for c in copies)


def test_the_same_seed_gives_the_same_bytes(world: Any, tmp_path: Path) -> None:
    first, second = (_report(_evaluated(world, tmp_path / name)).to_json() for name in ("a", "b"))
    assert first == second
    other = CONFIG.model_copy(update={"seed": 1})
    assert _report(_evaluated(world, tmp_path / "a"), other).to_json() != first


def test_the_order_of_users_changes_not_a_byte(world: Any, tmp_path: Path) -> None:
    plain = _report(_evaluated(world, tmp_path / "a")).to_json()
    order = np.random.default_rng(0).permutation(75)
    world.examples, world.candidates = world.examples.take(order), world.candidates[order]
    assert _report(_evaluated(world, tmp_path / "b")).to_json() == plain


def test_the_protocol_speaks_of_no_language_model_where_none_was_asked(world: Any, tmp_path: Path) -> None:
    world.rankers = {name: world.rankers[name] for name in ("popularity", "sasrec")}
    protocol = _report(_evaluated(world, tmp_path)).protocol
    assert "LLM" not in protocol
    assert "teachers see the last 50; " in protocol


def test_the_protocol_says_what_was_done(report: Report) -> None:
    for fact in (
        "leave-one-out",
        "a fixed random sample of 75 of 100 test users",
        "10 candidates: the true next item and 9 unseen ones drawn uniformly",
        "60 items without the user's history",
        "re-rank the best 8 of sasrec",
        "as if in random order",
        "95 % percentile bootstrap over users",
        "200 samples",
    ):
        assert fact in report.protocol
    assert report.protocol_details.full_top == 8


def test_predictions_tell_every_answer_of_every_user(world: Any, evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(evaluation, [f"u{i}" for i in range(75)], 3, path)
    read = read_predictions(path)
    assert read.teacher == "sasrec"
    assert read.n_items == 60
    assert next(iter(read.models.items())) == ("popularity", "baseline")
    assert len(read.table) == 75
    line = read.table.iloc[4]
    assert (line["user"], line["user_id"], line["target"]) == (4, "u4", world.examples.targets[4])
    assert line["history"].tolist() == world.examples.histories[4][-3:].tolist()
    assert line["candidates"].tolist() == world.candidates[4].tolist()
    for name, row in evaluation.rows.items():
        assert np.array_equal(np.stack(read.table[f"{name}/candidate_scores"].to_list()), row.candidates)
        assert np.array_equal(read.table[f"{name}/candidate_rank"], row.ranks.expected)
        assert np.array_equal(read.table[f"{name}/full_rank"], row.full.expected)
        assert line[f"{name}/top_items"].tolist() == row.listing.items[4].tolist()
        assert line[f"{name}/top_scores"].tolist() == row.listing.scores[4].tolist()


def test_predictions_are_written_in_groups_of_users_as_if_at_once(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    users = [f"u{i}" for i in range(75)]
    write_predictions(evaluation, users, 3, tmp_path / "at once")
    monkeypatch.setattr(module, "GROUP", 30)
    write_predictions(evaluation, users, 3, tmp_path / "in groups")
    at_once, in_groups = (pq.ParquetFile(tmp_path / name) for name in ("at once", "in groups"))
    sizes = [in_groups.metadata.row_group(group).num_rows for group in range(in_groups.num_row_groups)]
    assert sizes == [30, 30, 15]
    assert in_groups.read().equals(at_once.read(), check_metadata=True)


def test_ranks_are_read_without_the_lists_that_nobody_wants(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(evaluation, [f"u{i}" for i in range(75)], 3, path)
    whole, part = read_predictions(path), read_predictions(path, ("popularity",))
    assert (part.models, part.teacher, part.n_items) == (whole.models, whole.teacher, whole.n_items)
    left_out = set(whole.table) - set(part.table)
    others = whole.models.keys() - {"popularity"}
    assert left_out == {f"{m}/{a}" for m in others for a in ("candidate_scores", "top_items", "top_scores")}
    assert part.table.equals(whole.table[list(part.table)])
    for model in whole.models:
        for group, places in user_groups(whole, model).items():
            assert np.array_equal(user_groups(part, model)[group], places)
    assert user_rows(part, range(75)) == user_rows(whole, range(75))


def test_candidates_and_their_scores_can_be_read_alone(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(evaluation, [str(i) for i in range(75)], 3, path)
    read = read_scores(path)
    assert read.users.tolist() == evaluation.examples.users.tolist()
    assert read.targets.tolist() == evaluation.examples.targets.tolist()
    assert np.array_equal(read.candidates, evaluation.candidates)
    assert list(read.of) == list(evaluation.rows)
    for name, row in evaluation.rows.items():
        assert np.array_equal(read.of[name], row.candidates)


def test_missing_and_damaged_predictions_are_told_in_a_line(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    for read in (read_predictions, read_scores):
        with pytest.raises(StudioError, match="no predictions"):
            read(path)
    write_predictions(evaluation, [str(i) for i in range(75)], 3, path)
    path.write_bytes(path.read_bytes()[:-50])
    for read in (read_predictions, read_scores):
        with pytest.raises(StudioError, match="damaged"):
            read(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="could not write"):
        write_predictions(evaluation, [str(i) for i in range(75)], 3, tmp_path / "file" / "p.parquet")
