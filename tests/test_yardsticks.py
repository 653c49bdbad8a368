"""Published figures: each with its source, and never comparable where its protocol is another or is not stated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from engine.evaluate.report import Estimate, ModelResult, ProtocolDetails, Report
from engine.labels import LABELS, label
from engine.published.yardsticks import PublishedModel, Yardstick, yardsticks
from webapp.views.yardsticks import published

FIGURE = {"HR@1": Estimate(value=0.4, low=0.3, high=0.5)}


def _report(dataset: str = "ml-100k", users: int = 95, rows: Sequence[str] = ("delrec",), **details: Any) -> Report:
    known = {"teacher": "sasrec", "split": "temporal", "candidates": 20, "negatives": "uniform", "history": 10}
    known |= {"teacher_history": 50, "items": 100, "full_top": 20, "ties": "mean", "users_available": users}
    known |= {"interval": "percentile", "bootstrap": 10, **details}
    models = [
        ModelResult(name=name, kind="llm" if name == "delrec" else "teacher", candidates=FIGURE, full={}, agreement={})
        for name in rows
    ]
    return Report(
        run_id="r-abc234", dataset=dataset, protocol="so", users=users, seed=0, models=models, comparisons=[],
        stages=[], peak_memory_mb=1.0, protocol_details=ProtocolDetails.model_validate(known),
    )  # fmt: skip


SAME = Yardstick(
    datasets=["ml-100k"], source="S", split="temporal", users=95, candidates=20, negatives="uniform",
    models={"m": PublishedModel(row="delrec", figures={"candidates.HR@1": 0.5})},
)  # fmt: skip


def test_a_figure_of_the_same_protocol_may_be_compared() -> None:
    assert SAME.differs(_report()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"split": "leave-one-out"}, "split: leave-one-out, here temporal"),
        ({"users": 943}, "test users: 943, here 95"),
        ({"candidates": 15}, "candidates: 15, here 20"),
        ({"negatives": "popularity"}, "draw of candidates: popularity, here uniform"),
        ({"data": "ml-latest-small"}, "its data are ml-latest-small"),
        ({"split": None}, "not stated: split"),
        ({"users": None, "negatives": None}, "not stated: test users, draw of candidates"),
    ],
)
def test_whatever_differs_or_is_not_stated_forbids_it(change: dict[str, Any], reason: str) -> None:
    assert SAME.model_copy(update=change).differs(_report()) == [reason]


def test_candidates_do_not_matter_to_figures_of_the_full_catalogue() -> None:
    models = {"m": PublishedModel(row="delrec", figures={"full.HR@10": 0.1})}
    whole = SAME.model_copy(update={"candidates": None, "negatives": None, "models": models})
    assert whole.differs(_report()) == []


def test_every_stored_figure_has_a_source_and_is_a_share() -> None:
    found = [it for name in ("ml-100k", "steam", "beauty", "ml-latest") for it in yardsticks(_report(name))]
    assert len(found) > 8
    for it in found:
        assert it.source
        for model in it.models.values():
            assert model.row in {None, *LABELS}
            assert model.figures
            for name, value in model.figures.items():
                assert name.startswith(("full.", "candidates."))
                assert 0 < value < 1


def test_the_block_stands_only_where_something_was_published_and_says_why_not_to_compare() -> None:
    shown = published([_report(), _report()])
    assert shown.count("<details") == 1
    assert "LLaRA" in shown
    assert "no: not stated: draw of candidates" in shown
    assert "measured here" in shown
    assert "<details" not in published([_report("synthetic")])


@pytest.mark.parametrize("dataset", ["ml-100k", "steam", "beauty", "ml-latest"])
def test_every_figure_says_which_row_of_ours_it_stands_beside_and_stands_below_it(dataset: str) -> None:
    ours = ("sasrec", "gru4rec", "delrec")
    lines = [_words(line) for line in published([_report(dataset, rows=ours)]).split("<tr")[2:]]
    last = ""
    for line in lines:
        measured = [name for name in ours if line.startswith(label(name)) and "measured here" in line]
        if measured:
            (last,) = measured
        elif "beside" in line and "not measured here" not in line:
            assert f"beside {label(last)}" in line
        else:
            assert "no row of ours is like it" in line or "which was not measured here" in line
            last = "below all"
    figures = sum(len(it.models) for it in yardsticks(_report(dataset)))
    assert len(lines) == figures + sum("measured here yes" in line for line in lines)


def test_of_several_runs_it_is_said_which_was_measured() -> None:
    assert "measured here steps 5, seed 1" in _words(published([_report()], {"r-abc234": "steps 5, seed 1"}))


def _words(text: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", text.partition(">")[2]).split())
