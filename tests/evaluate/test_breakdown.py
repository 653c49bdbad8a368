"""Slices in tables and sentences; reports of earlier versions tell none."""

from __future__ import annotations

import pytest

from engine.evaluate.breakdown import advantage_words, advantages, list_table, slice_metrics, slice_table
from engine.evaluate.report import Estimate, Measure, ModelResult, ProtocolDetails, Report, Slice

ROWS = {"sasrec": "teacher", "llm-zero-shot": "llm", "delrec": "llm", "delrec-plus": "llm"}


def estimate(value: float, spread: float = 0.02) -> Estimate:
    return Estimate(value=value, low=value - spread, high=value + spread)


def part(name: str, users: int, differences: dict[str, float], by: str = "rarity") -> Slice:
    metrics = ("candidates.HR@1", "candidates.NDCG@5", "full.NDCG@10")
    teacher = 0.4
    values = {model: teacher + differences.get(model, 0.0) for model in ROWS}
    return Slice(
        by=by,  # type: ignore[arg-type]
        name=name,
        users=users,
        models={m: {metric: estimate(v) for metric in metrics} for m, v in values.items()} if users else {},
        differences={m: {metric: estimate(d) for metric in metrics} for m, d in differences.items()} if users else {},
    )


def report_of(slices: list[Slice], rows: dict[str, str] = ROWS) -> Report:
    models = [ModelResult.model_construct(name=name, kind=kind, lists={}) for name, kind in rows.items()]
    details = ProtocolDetails.model_construct(teacher="sasrec", candidates=20)
    return Report.model_construct(models=models, slices=slices, protocol_details=details)


@pytest.fixture
def report() -> Report:
    return report_of(
        [
            part("0", 0, {}),
            part("1-4", 12, {"llm-zero-shot": 0.3, "delrec": 0.05, "delrec-plus": 0.1}),
            part("5-19", 30, {"llm-zero-shot": -0.3, "delrec": -0.1, "delrec-plus": 0.01}),
            part("100+", 50, {"llm-zero-shot": -0.3, "delrec": -0.2, "delrec-plus": 0.03}),
            part("untied", 92, {"llm-zero-shot": 0.0, "delrec": 0.0, "delrec-plus": 0.0}, "ties"),
        ]
    )


def test_a_table_has_a_column_for_each_slice_with_users(report: Report) -> None:
    table = slice_table(report, "rarity", "candidates.NDCG@5")
    assert table.columns == ("1-4 (12 users)", "5-19 (30 users)", "100+ (50 users)")
    assert "no users: 0" in table.title
    assert "NDCG@5, 20 candidates" in table.title
    assert [row.name for row in table.rows] == list(ROWS)
    best = {row.name: [cell.best for cell in row.cells] for row in table.rows}
    assert best["llm-zero-shot"] == [True, False, False]
    assert best["delrec-plus"] == [False, True, True]
    assert slice_table(report, "ties", "full.NDCG@10").columns == ("untied (92 users)",)


def test_where_a_model_is_ahead_is_told_by_slice_for_ours_only(report: Report) -> None:
    found = advantages(report)
    assert [(it.model, it.metric) for it in found] == [
        ("delrec", "candidates.NDCG@5"),
        ("delrec-plus", "candidates.NDCG@5"),
        ("delrec", "full.NDCG@10"),
        ("delrec-plus", "full.NDCG@10"),
    ]
    assert [(name, users) for name, users, _ in found[0].slices] == [("1-4", 12), ("5-19", 30), ("100+", 50)]
    assert advantage_words(found[0], report) == (
        "DELRec against SASRec, NDCG@5, 20 candidates: better at 1-4; worse at 5-19 and 100+"
    )
    assert advantage_words(found[3], report) == (
        "DELRec-plus against SASRec, NDCG@10, full catalogue: better at 1-4 and 100+; not to be told at 5-19"
    )


def test_without_ours_the_last_language_model_is_told() -> None:
    rows = {"sasrec": "teacher", "llm-zero-shot": "llm"}
    sliced = part("1-4", 5, {"llm-zero-shot": 0.1})
    assert {it.model for it in advantages(report_of([sliced], rows))} == {"llm-zero-shot"}


def test_an_earlier_report_tells_nothing_and_breaks_nothing() -> None:
    old = report_of([])
    assert advantages(old) == []
    assert slice_metrics(old) == []
    assert list_table(old).columns == ()


def test_what_lists_hold_stands_beside_its_meaning() -> None:
    row = ModelResult.model_construct(
        name="delrec",
        kind="llm",
        lists={
            "coverage@10": Measure(value=0.25, users=9),
            "novelty@10": Measure(value=7.0, low=6.5, high=7.5, users=9),
        },
    )
    other = ModelResult.model_construct(name="sasrec", kind="teacher", lists={"coverage@10": Measure(value=1, users=9)})
    table = list_table(Report.model_construct(models=[other, row]))
    assert table.columns == ("coverage@10", "novelty@10")
    assert [(cell.value, cell.low) for cell in table.rows[1].cells] == [(0.25, None), (7.0, 6.5)]
    assert table.rows[0].cells[1].value is None
    assert "share of the catalogue" in table.title
