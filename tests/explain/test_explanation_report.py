"""The report that page, shell, files and API share: what it reads, also of earlier versions, and how parts join."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_run import tiny_models

from engine.errors import StudioError
from engine.explain.explainer import PARTS as MEASURED
from engine.explain.explainer import Explainer, explain
from engine.explain.explananda import explanandum_of_user
from engine.explain.report import PARTS, ExplanationReport, check_parts


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    """An explanation of each form, in JSON; and one part of it alone."""
    models = tiny_models(form="sequence")
    reasons = Explainer(explanandum_of_user(models, "user 3"))
    asked = {"whole": PARTS, "effects": ["effects"], "order": ["order"]}
    return {name: explain(reasons, parts).to_json() for name, parts in asked.items()}


def test_every_part_is_measured_by_something() -> None:
    assert tuple(MEASURED) == PARTS


def test_a_report_is_read_back_as_it_was(answers: dict[str, dict[str, Any]]) -> None:
    report = ExplanationReport.read(answers["whole"])
    assert ExplanationReport.read(report.to_json()) == report
    assert all(report.has(part) for part in PARTS)
    assert report.candidates[report.column].item == report.target.item == report.answer.top
    assert report.title(report.target.item) == report.target.title
    assert report.chosen is not None
    assert report.candidates[report.chosen].chosen_next


def test_what_is_not_measured_is_told_from_what_cannot_be(answers: dict[str, dict[str, Any]]) -> None:
    report = ExplanationReport.read(answers["whole"])
    assert report.stability is None
    assert "reads no list" in report.inapplicable["stability"]
    part = ExplanationReport.read(answers["effects"])
    assert not part.has("stability")
    assert "stability" not in part.to_json()


def test_parts_join_to_what_was_asked_at_once(answers: dict[str, dict[str, Any]]) -> None:
    effects, order, whole = (ExplanationReport.read(answers[name]) for name in ("effects", "order", "whole"))
    joined = ExplanationReport.merged([effects, order, whole.only(["ladder"])])
    assert joined == whole.only(["effects", "order", "ladder"])
    assert ExplanationReport.merged([]) is None
    assert ExplanationReport.merged([whole, effects]) == whole


def test_reports_of_earlier_versions_still_open() -> None:
    item = {"item": 5, "raw_id": "6", "title": "Heat", "year": 1995, "genres": ["Crime"], "known": True}
    other = {**item, "item": 7, "raw_id": "8", "title": "Fargo"}
    rung = {"scores": [1.0, 0.0], "places": [1.0, 2.0], "margin": 1.0, "probability": 0.7, "rank": 1.0, "top": 5}
    effect = {"margin": [0.5], "probability": [0.1]}
    swaps = {"swaps": [], "shuffled_margin": None, "shuffled_rank": None, "same_top": None}
    stored = {
        "run_id": "r-abc",
        "run": {"llm": "delrec", "teacher": "sasrec", "seed": 0, "plus": None},
        "target": item, "history": [{**other, "item": 9, "query": "Jaws"}],
        "candidates": [{**item, "chosen_next": False}, {**other, "chosen_next": True}],
        "answer": {**rung, "model": "delrec"}, "notes": [],
        "ladder": [{**rung, "model": "sasrec"}, {**rung, "model": "delrec"}],
        "effects": {"llm": {"delete": effect}, "teacher": {"delete": effect}, "sign_agreement": {},
                    "spearman_with_teacher": {"delete": None}, "note": ""},
        "order": {"llm": {**swaps, "model": "delrec"}, "teacher": {**swaps, "model": "sasrec"}},
        "parts": None, "stability": None,
    }  # fmt: skip
    kept = repr(stored)
    report = ExplanationReport.read(stored)
    assert repr(stored) == kept, "what is read stays as it is"
    assert (report.run.model, report.run.beside, report.beside and report.beside.model) == (
        "delrec", "sasrec", "sasrec")  # fmt: skip
    assert report.effects is not None
    assert report.effects.model["delete"].margin == (0.5,)
    assert report.effects.agreement == {"delete": None}
    assert report.order is not None
    assert report.order.beside.model == "sasrec"
    assert set(report.inapplicable) == {"parts", "stability"}
    assert not report.has("gradients")
    assert ExplanationReport.read(report.to_json()) == report


@pytest.mark.parametrize(
    "broken", [{}, {"run": None}, {"run": {"llm": "delrec", "teacher": "x"}}, {"run": {"model": 5}}, {"run": []}]
)
def test_what_is_no_report_is_told(broken: dict[str, Any]) -> None:
    with pytest.raises(StudioError, match=r"cannot be read.*ask the question again"):
        ExplanationReport.read(broken)
    with pytest.raises(StudioError, match="there is no part 'magic'"):
        check_parts(["effects", "magic"])
