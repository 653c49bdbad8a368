"""What the page Inspect asks stands in its address, whatever the titles are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from sqlalchemy import event
from webapp_studio import pages

from db import explanations, lifecycle, runs
from db.store import database
from engine.config import RunConfig
from engine.data import Catalogue
from engine.errors import StudioError
from jobs import answers
from jobs.requests import ExplainRequest
from webapp.events import LatestRequest
from webapp.inspect import page as inspect_page
from webapp.inspect import session
from webapp.inspect.question import DEPTHS, RATHER, REASONS, WORDS, Question
from webapp.inspect.session import in_run
from webapp.inspect.subjects import Subjects

HOSTILE = '<img src=x onerror="a()"> ${b} {{c}}; d \\; e'
NO_ADDRESS = SimpleNamespace(query_params={})
QUESTIONS = (
    Question(),
    Question("r-abc234", "42", group="only-model"),
    Question("r-abc234", "42", item="7", candidates="catalogue", expert=True),
    Question(
        "r-abc234", "42", titles=("Heat",), item="7", rival="8", candidates="catalogue", model="sasrec", beside="x"
    ),
    Question("r-abc234", titles=("Heat", HOSTILE, "שלום", "🎬 & more=1")),
    Question("r-abc234", titles=()),
    Question("r-abc234", "ü/?&", titles=("Heat",), words="adapter", prompt="Say why.\nShort."),
    Question("r-abc234", titles=("a;b", "\\", "c\\;", ";;", "\\frac", "!!!", '"q"', "1. FC", "id:a;b\\")),
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_address_reproduces_the_question(question: Question) -> None:
    assert Question.read(Question.parse(question.address().partition("?")[2])) == question


def test_an_address_without_sense_is_read_as_far_as_it_has_some() -> None:
    query = {"run": "x", "candidates": "all", "words": "someone's", "view": "1", "titles": " ; "}
    assert Question.read(query) == Question("x", titles=())


@pytest.mark.parametrize("question", QUESTIONS[1:5])
@pytest.mark.parametrize("part", [*REASONS, WORDS, *DEPTHS])
def test_requests_are_those_that_are_answered(question: Question, part: str) -> None:
    asked = ExplainRequest.read(question.request(part))
    assert part in asked.parts
    assert (asked.user, tuple(asked.titles)) == (question.user or None, question.titles or ())
    assert asked.item == (f"id:{question.item}" if question.item else None), "an id, whatever titles look like it"
    assert asked.rival == (f"id:{question.rival}" if question.rival and part == RATHER else None)


def test_cheap_parts_come_first_and_experts_see_more() -> None:
    assert Question("r", "1").parts == (*REASONS, WORDS)
    assert Question("r", "1", expert=True).parts == (*REASONS, WORDS, *DEPTHS)


def test_the_model_writes_on_demand_where_titles_are_edited() -> None:
    edited = Question("r", "1").changed({"titles": ["Heat"]})
    assert WORDS not in edited.parts
    assert WORDS in edited.changed({"words": "base"}).parts
    assert WORDS not in edited.changed({"words": "base"}).changed({"titles": ["Fargo"]}).parts


def test_another_user_drops_what_belonged_to_the_one_before() -> None:
    before = Question("r", "1", titles=("Heat",), item="7", words="base", prompt="x", expert=True)
    assert before.changed({"user": " 2 ", "group": "cold"}) == Question("r", "2", group="cold", expert=True)


def test_one_s_own_titles_go_along_to_another_run_and_users_do_not() -> None:
    assert Question("r", titles=("Heat",)).changed({"run": "s"}) == Question("s", titles=("Heat",))
    assert Question("r", "1", group="cold").changed({"run": "s"}) == Question("s")


def test_what_refers_to_an_item_is_the_same_item_in_another_run_or_its_title(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another data set has other items under the same ids."""
    known = {"r": _subjects("Heat", "Alien", "Ran"), "s": _subjects("Heat", "Psycho")}
    monkeypatch.setattr(session, "subjects_of", known.get)
    monkeypatch.setattr(session.api, "status", str)
    asked = Question("r", titles=("id:0", "id:1", "id:2", "id:9", "Fargo"))
    assert in_run(asked, "s") == Question("s", titles=("id:0", "Alien", "Ran", "id:9", "Fargo"))
    assert in_run(Question("r", "1"), "s") == Question("s")


def _subjects(*titles: str) -> Subjects:
    """Those of a run on this catalogue; nothing else of it is there."""
    subjects = Subjects.__new__(Subjects)
    catalogue = Catalogue(titles, (None,) * len(titles), ((),) * len(titles), tuple(map(str, range(len(titles)))))
    subjects.dataset = SimpleNamespace(catalogue=catalogue)  # type: ignore[assignment]
    return subjects


def test_editing_keeps_the_user_and_forgets_the_item() -> None:
    edited = Question("r", "1", item="7").changed({"titles": ["Heat ", "", "\u202eFargo"]})
    assert edited == Question("r", "1", titles=("Heat", "Fargo"))
    assert edited.edited
    assert not edited.own
    assert edited.changed({"titles": [], "own": True}).own


def test_another_row_is_asked_about_the_same_item_and_goes_along() -> None:
    asked = Question("r", "1", item="7", rival="8").changed({"model": "sasrec"}).changed({"beside": "popularity"})
    assert asked == Question("r", "1", item="7", model="sasrec", beside="popularity")
    assert asked.changed({"user": "2", "group": "cold"}) == Question(
        "r", "2", group="cold", model="sasrec", beside="popularity"
    )
    told = asked.request("effects")
    assert (told["model"], told["beside"]) == ("sasrec", "popularity")


def test_why_not_is_asked_about_the_very_item_among_all() -> None:
    assert Question("r", "1", rival="8").changed({"why": "id:a;b"}) == Question(
        "r", "1", item="a;b", candidates="catalogue"
    )
    own = Question("r", titles=("Heat",)).changed({"why": "id:7"})
    assert own == Question("r", titles=("Heat",), item="7"), "one's own titles are held against all anyway"
    with pytest.raises(StudioError, match="no title like 'Haet'"):
        own.changed({"why": "Haet"})


def test_a_rival_goes_with_what_it_was_chosen_for() -> None:
    chosen = Question("r", "1").changed({"rival": 8})
    assert chosen == Question("r", "1", rival="8")
    for action in ({"item": "7"}, {"titles": ["Heat"]}, {"user": "2"}, {"candidates": "catalogue"}, {"run": "s"}):
        assert chosen.changed(action).rival == ""


def test_a_pasted_list_is_read_as_in_the_shell_and_in_addresses() -> None:
    text = '1. Heat\n- "Fargo"; Alien; Steins\\;Gate;id:7'
    asked = Question("r").changed({"text": text, "own": True})
    assert asked.titles == ("1. Heat", '- "Fargo"', "Alien", "Steins;Gate", "id:7")
    assert asked == Question.read({"run": "r", "titles": text})


def test_nothing_is_sent_elsewhere_but_by_a_press_of_the_button_for_it() -> None:
    pressed = Question("r", "1").changed({"words": "elsewhere"})
    assert pressed.pressed
    assert pressed.request(WORDS)["rationale_elsewhere"] == 1
    assert "rationale_elsewhere" not in pressed.request("summary")
    again = pressed.changed({"words": "elsewhere"})
    assert again.request(WORDS)["rationale_elsewhere"] == 2, "asked anew"
    assert Question.read(again.query()) == replace(again, pressed=False)
    for action in ({"item": "7"}, {"expert": True}, {"rival": "7"}, {"user": "2"}, {"titles": ["Heat"]}):
        assert not pressed.changed(action).pressed, action
    for attempt in ("-1", "0", "²", "x", "9" * 5000, "1e3"):
        assert 1 <= Question.read({"words": "elsewhere", "attempt": attempt}).attempt <= 1000


@pytest.mark.parametrize("action", [{"titles": ["x"] * 501}, {"titles": "Heat"}, {"titles": 3}, {"text": "x\n" * 501}])
def test_what_is_no_list_of_titles_is_refused_in_words(action: dict[str, Any]) -> None:
    with pytest.raises(StudioError):
        Question("r").changed(action)


def test_titles_of_any_length_are_cut() -> None:
    assert len(Question("r").changed({"titles": ["x" * 9999]}).titles[0]) == 2000  # type: ignore[index]


@pytest.mark.parametrize("changes", [{}, {"titles": ["Heat", "Alien"]}])
def test_a_tick_reads_the_database_once(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is waited for: the parts, the ranking before an edit, the workers that might answer."""
    run_id = runs.create("first", RunConfig().model_dump(mode="json")).id
    question = Question(run_id, "4").changed(changes)
    for part in question.parts[: session.AT_ONCE]:
        explanations.ask(run_id, "explain", answers.stamped(question.request(part)))
    history = SimpleNamespace(any_known=True)
    subjects = SimpleNamespace(
        run=SimpleNamespace(id=run_id), row_of=str, history_of=lambda _: history, history=lambda _: history
    )
    monkeypatch.setattr(session, "kept", {run_id: subjects}.get)
    begun: list[Any] = []
    event.listen(database(), "begin", lambda connection: begun.append(connection))
    view = session.load_view(question, fresh=False)
    assert len(begun) == 1
    assert view.pending
    assert view.idle
    assert view.standing.under_way == list(question.parts[: session.AT_ONCE])


@pytest.mark.parametrize("overtaken", [True, False])
def test_a_look_that_was_overtaken_draws_nothing(overtaken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow look at one user ends after another was chosen: it must not bring the first one back."""
    tick, _ = _handlers("tick")
    asked = LatestRequest(Question("r-abc234", "4"))

    def slow(_: Question, **__: bool) -> None:
        if overtaken:
            asked.now = Question("r-abc234", "5")
        raise StudioError("no such run")

    monkeypatch.setattr(inspect_page, "load_view", slow)
    drawn = [value for value in tick(asked, {}, NO_ADDRESS) if value != gr.skip()]
    assert (drawn == []) is overtaken
    assert asked.now.user == ("5" if overtaken else "4")


def test_what_was_wrong_stays_until_the_next_action(monkeypatch: pytest.MonkeyPatch) -> None:
    """While an answer grows the page is drawn anew every half second: a refused list of titles must stay refused."""
    tick, outputs = _handlers("tick")
    act, _ = _handlers("click")
    asked = LatestRequest(Question("r-abc234", "4"))
    place = next(n for n, block in enumerate(outputs) if block.elem_id == "inspect-problem")
    refused = act(asked, {}, SimpleNamespace(_data={"text": "x\n" * 501}), NO_ADDRESS)
    assert "501 titles" in str(refused[place])
    monkeypatch.setattr(inspect_page, "load_view", lambda question, **_: SimpleNamespace(question=question))
    monkeypatch.setattr(
        inspect_page, "refresh", lambda parts, *_: ({}, [gr.skip() for p in parts for _ in p.components])
    )
    assert tick(asked, {"drawn": True}, NO_ADDRESS)[place] == gr.skip()
    assert tick(asked, {}, NO_ADDRESS)[place] == "", "nothing could be shown before: now there is something"
    assert act(asked, {"drawn": True}, SimpleNamespace(_data={"user": "5"}), NO_ADDRESS)[place] == ""


@pytest.mark.parametrize("page", ["inspect", "tour"])
@pytest.mark.parametrize("named", [True, False])
def test_a_page_with_nothing_to_show_looks_again_while_a_run_is_to_come(page: str, named: bool) -> None:
    tick, outputs = _handlers("tick", page)
    timer = next(n for n, block in enumerate(outputs) if isinstance(block, gr.Timer))

    def looks_again() -> bool:
        asked: Any = Question(run.id if named else "") if page == "inspect" else {"run": run.id if named else ""}
        return bool(tick(LatestRequest(asked), {}, NO_ADDRESS)[timer].active)

    run = runs.create("first", RunConfig().model_dump(mode="json"))
    assert looks_again()
    lifecycle.request_cancel(run.id)
    assert not looks_again()


@pytest.mark.parametrize("event", ["tick", "click"])
def test_what_the_server_has_forgotten_is_read_from_the_address(event: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the page would jump to another run under its reader's hands."""
    handler, _ = _handlers(event)
    looked: list[Question] = []

    def load_view(question: Question, **_: bool) -> None:
        looked.append(question)
        raise StudioError("enough")

    monkeypatch.setattr(inspect_page, "load_view", load_view)
    monkeypatch.setattr(inspect_page, "leave", lambda *_: None)
    request = SimpleNamespace(query_params={"run": "r-abc234", "user": "7", "view": "expert"})
    handler(
        LatestRequest(Question()), {}, *([SimpleNamespace(_data={"item": "3"})] if event == "click" else []), request
    )
    assert looked == [Question("r-abc234", "7", item="3" if event == "click" else "", expert=True)]


def _handlers(event: str, page: str = "inspect") -> tuple[Any, list[Any]]:
    """The handler of an event of the page, and the components that it draws."""
    functions = pages().fns.values()
    (found,) = (f for f in functions if f.page == page and f.fn and any(e == event for _, e in f.targets))
    return found.fn, list(found.outputs)


class Compared:
    """A question; when it is compared, something else is asked at that very moment, by another thread."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = Thread(target=meanwhile)

    def __eq__(self, other: object) -> bool:
        self.meanwhile.start()
        self.meanwhile.join(timeout=0.2)
        return self is other

    __hash__ = object.__hash__


def test_what_was_asked_last_is_never_put_back_by_a_look_that_began_before() -> None:
    def ask() -> None:
        asked.now = "a title was added"

    before = Compared(ask)
    asked: LatestRequest[object] = LatestRequest(before)
    assert asked.settle(before, "what was shown before")
    before.meanwhile.join()
    assert asked.now == "a title was added"
    assert not asked.settle("what was shown before", "something else")
    assert asked.now == "a title was added"
    assert copy.deepcopy(asked).now == asked.now, "each visitor has a copy of her own"
