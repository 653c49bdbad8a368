"""Answers as an earlier version, another program or a broken disk left them: read, or told of and asked for again."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import text
from tiny_run import tiny_models

from db import explanations, lifecycle, runs
from db.owner import Owner
from db.store import writing
from engine.data.catalogue import ItemLabel
from engine.errors import StudioError
from engine.explain.drivers import drivers
from engine.explain.explainer import Explainer, explain
from engine.explain.explananda import explanandum_of_user
from engine.explain.faithfulness import faithfulness
from engine.explain.pattern import pattern
from engine.explain.report import ExplanationReport
from engine.monitor import Monitor
from engine.settings import load_config
from jobs import answers, api, requests
from webapp import measurement_state, pattern_charts
from webapp.inspect.question import Question
from webapp.inspect.session import load
from webapp.inspect.views import answer as answer_view
from webapp.inspect.views import expert as expert_view
from webapp.inspect.views import history as history_view
from webapp.inspect.views import reasons as reasons_view
from webapp.inspect.views import words as words_view
from webapp.tour_stops import clear
from webapp.views import drivers as drivers_view
from webapp.views import pattern as pattern_view


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """What each kind really answers, as JSON; tests of falsification have a record of their own."""
    models = tiny_models(form="sequence")
    others = [{"id": "r-aaaaaa", "name": "Other", "teacher": "gru4rec"}]
    known = {"run_id": "r-aaaaaa"}
    made = {
        "recommend": answers_of_recommend(models),
        "explain": explain(Explainer(explanandum_of_user(models, "user 3"))).to_json(),
        "pattern": pattern(models, Monitor(), {}, 4, 4) | known | {"others": others, "tasks": {}},
        "faithfulness": faithfulness(models, 2, Monitor()) | known,
        "drivers": drivers(models, 4, Monitor()) | known,
    }
    return {kind: json.loads(json.dumps(answer)) for kind, answer in made.items()}


def answers_of_recommend(models: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(models.recommend(list(models.dataset.catalogue.titles[:3]), 5))


def draw(kind: str, answer: Mapping[str, Any]) -> str:
    """What pages make of an answer."""
    if kind == "drivers":
        parts = (drivers_view.summary, drivers_view.definitions, drivers_view.stages)
        return "".join(str(part(answer)) for part in parts) + str(drivers_view.figures(answer, "key"))
    if kind == "faithfulness":
        return str(pattern_view.trust(answer)) + str(pattern_charts.deletion_figure(answer["deletion_curve"], "key"))
    if kind == "pattern":
        called = pattern_view.names(answer)
        charts = [pattern_charts.agreement_figures(answer["agreement"], called, "key")]
        told = [part(answer) for part in (pattern_view.verdict, pattern_view.agreement, pattern_view.tokens)]
        return f"{charts}{told}{pattern_charts.recency_figure(answer['recency'], called, 'key')}"
    report, question = ExplanationReport.read(answer), Question(run="r-aaaaaa", user="1", expert=True)
    cards = [history_view.cards(history_view.of_answer(report), report), history_view.meaning(report)]
    cards += [answer_view.sides(report, question), answer_view.notes(report), expert_view.fold(report, question)]
    cards += [part(report) for part in (reasons_view.why_not, reasons_view.reasons, reasons_view.parts)]
    cards += [reasons_view.smallest(report, lambda item: ItemLabel("", str(item))), reasons_view.confidence(report)]
    return f"{cards}{words_view.checked(report)}{clear(report)}"


def damaged(answer: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The answer with each of its values gone, and of another type."""

    def changed(path: tuple[Any, ...], value: Any) -> Any:
        whole = copy.deepcopy(answer)
        place = whole
        for key in path[:-1]:
            place = place[key]
        if value is KeyError:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return whole

    def walk(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
        for key in value if isinstance(value, dict) else range(min(1, len(value))) if isinstance(value, list) else ():
            here = (*path, key)
            for other in (KeyError, "text", [], -3) if len(path) > 1 else (KeyError, None, "text", [], math.nan):
                yield f"{'.'.join(map(str, here))} = {other!r}", changed(here, other)
            yield from walk(value[key], here)

    yield from walk(answer, at)


def test_every_kind_says_what_it_answers_and_nothing_of_it_is_lost(found: dict[str, dict[str, Any]]) -> None:
    assert requests.ANSWERS.keys() == requests.KINDS.keys()
    for kind, answer in found.items():
        assert requests.read_answer(kind, answer) == answer, kind


@pytest.mark.parametrize("kind", ["explain", "pattern", "faithfulness", "drivers"])
def test_a_damaged_answer_is_refused_or_still_drawn(found: dict[str, dict[str, Any]], kind: str) -> None:
    refused, drawn, told, faults = 0, 0, set[str](), list[str]()
    for where, answer in damaged(found[kind]):
        try:
            read = requests.read_answer(kind, answer)
        except StudioError as error:
            refused += 1
            told.add(error.remedy)
            continue
        drawn += 1
        try:
            draw(kind, read)
        except Exception as error:
            faults.append(f"{where}: {error!r}")
    assert faults == []
    assert refused > drawn > 0
    assert told == {"measure again" if kind in requests.LONG else "ask again"}


def test_an_answer_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(StudioError, match="kind that is not known here: 'dreams'"):
        requests.read_answer("dreams", {"k": 1})


@pytest.fixture
def run_id() -> str:
    run = runs.create("Stored", load_config("smoke").model_dump(mode="json"), state="starting")
    run.folder.mkdir(parents=True)
    lifecycle.finish(run.id, "done")
    return run.id


def store(asked: int, answer: str) -> None:
    """Put it there as a text, be it JSON or none."""
    explanations.claim(asked, Owner(1, 1.0, "host", "boot"))
    explanations.finish(asked, {})
    with writing() as session:
        session.execute(
            text("UPDATE explanations SET answer = :answer WHERE id = :id"), {"answer": answer, "id": asked}
        )


BROKEN = ["{}", "null", "[]", "3", '"x"', '{"users": 3}', '{"users": NaN, "kinds"', "\ud7ff{", ""]


@pytest.mark.parametrize("answer", BROKEN)
@pytest.mark.parametrize("kind", sorted(requests.KINDS))
def test_what_is_no_answer_counts_as_failed_and_is_asked_anew(run_id: str, kind: str, answer: str) -> None:
    asked = api.ask(kind, run_id, {})
    store(asked.id, answer)
    (listed,) = api.explanations(run_id, kind)
    progress = api.progress(run_id, {0: (kind, {})})[0][0]
    for it in (listed, progress, api.wait_for_answer(asked.id, 0)):
        assert (it.state, it.answer) == ("failed", None)
        assert "the stored answer cannot be read" in str(it.error)
        assert it.remedy in ("measure again", "ask again")
    assert api.ask(kind, run_id, {}).state == "queued"
    assert answers.of(api.status(run_id), kind)[0].answer is None


def test_pages_say_that_it_is_to_be_measured_again(run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement_state, "_row", lambda *_: "delrec")
    for what in measurement_state.MEASUREMENTS:
        store(api.ask(what.kind, run_id, {}).id, '{"users": 3}')
    seen = measurement_state.load({"run": run_id}, read_only=False)
    for what in measurement_state.MEASUREMENTS:
        standing = seen.standing(what)
        assert standing.answer is None
        assert standing.due
        assert "measure again" in str(pattern_view.state(standing.asked, "")).lower()
    question = Question(run=run_id, user="1")
    for part in question.parts:
        store(api.ask("explain", run_id, question.request(part)).id, '{"run": {}}')
    standing_of = load(question)
    assert standing_of.answer is None
    assert set(standing_of.failed) == set(question.parts)
