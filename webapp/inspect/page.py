"""Inspect: one recommendation of a finished run, explained. The address says which; titles may be one's own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import gradio as gr

from engine.errors import StudioError
from engine.explain.report import ExplanationReport
from jobs import api
from webapp.access import Access
from webapp.events import UNQUEUED, LatestRequest, PagePart, error_text, refresh
from webapp.html import Html, join, link, tag
from webapp.inspect.question import DEPTHS, WORDS, Question
from webapp.inspect.session import FIRST, InspectView, in_run, leave, load_view, to_come
from webapp.inspect.views import answer as view
from webapp.inspect.views import expert as expert_view
from webapp.inspect.views import history as history_view
from webapp.inspect.views import pick as pick_view
from webapp.inspect.views import reasons as reasons_view
from webapp.inspect.views import share as share_view
from webapp.inspect.views import words as words_view
from webapp.inspect.views.buttons import finding
from webapp.layout import HOME, READING, RUNS, empty, frame, markup, notice

LIVE_SECONDS, WAITING_SECONDS = 0.6, 3.0
MOST_RUNS = 500
RELAY = "document.addEventListener('delrec-ask', (event) => trigger('click', event.detail))"
ANSWERED = "(address) => delrecAnswered(address)"


def build(access: Access) -> None:
    """Draw the page."""
    frame("Inspect", "Inspect")
    markup(tag("h1", "Inspect a recommendation", class_="dr-title"))
    timer = gr.Timer(LIVE_SECONDS, active=False)
    relay = gr.HTML(js_on_load=RELAY, elem_id="ask-relay")
    problem = markup(READING, elem_id="inspect-problem")
    with gr.Column(elem_classes="dr-card", elem_id="inspect-choice"):
        with gr.Row(elem_classes="dr-finder"):
            runs = gr.Dropdown([], label="Run", show_label=False, elem_id="inspect-run", scale=0, min_width=280)
            head = markup(elem_id="inspect-head")
        rows = markup(elem_id="inspect-rows")
        picker = markup(elem_id="inspect-picker")
    message = markup(elem_id="inspect-said")
    progress = markup(elem_id="inspect-progress")
    with gr.Column(visible=False, elem_id="inspect-page") as page:
        sentence = _card("inspect-sentence", "dr-card dr-hero")
        changes = _card("inspect-changes")
        with gr.Row(elem_classes="dr-layout", equal_height=False):
            with gr.Column(elem_classes="dr-card", scale=5):
                history = markup(elem_id="inspect-history")
                adding = markup(elem_id="inspect-adding")
                undo = markup()
                meaning = markup()
            with gr.Column(scale=7):
                with gr.Column(elem_classes="dr-card"):
                    sides = markup(elem_id="inspect-sides")
                    why = markup(elem_id="inspect-why-not")
                smallest = _card("inspect-smallest")
                with gr.Row(elem_classes="dr-layout dr-pair", equal_height=False):
                    with gr.Column(visible=False, elem_classes="dr-card", elem_id="inspect-rather") as rather:
                        rival, reasons = markup(), markup()
                    confidence = _card("inspect-confidence")
        with gr.Column(elem_classes="dr-card", visible=False) as words_card:
            markup(words_view.head())
            words = [words_card, markup(elem_id="inspect-words")]
        share = _card("inspect-share")
        with gr.Column(visible=False, elem_classes="dr-card") as fold:
            expert = [fold, markup(elem_id="inspect-expert")]
            editor = markup(elem_id="inspect-editor")
    address = gr.Textbox(visible=False)
    question, seen = gr.State(LatestRequest(Question())), gr.State({})

    parts: list[PagePart[InspectView]] = [
        PagePart("head", [head], lambda v: (_subject(v), v.question.edited), _head),
        PagePart("rows", [rows], lambda v: (v.question.run, v.question.model, v.question.beside),
             lambda v: [pick_view.rows(v.subjects, v.question)]),
        PagePart("picker", [picker], lambda v: (_subject(v), v.question.model),
             lambda v: [pick_view.picker(v.subjects, v.question)]),
        PagePart("progress", [progress], _progress_key, lambda v: [share_view.progress(v.standing, v.idle)]),
        PagePart("said", [message], lambda v: (v.states(*v.standing.parts), _lists_key(v)), _notes),
        PagePart("history", [history, meaning], lambda v: (*v.states(FIRST, "effects"), v.shown_parts), _history),
        PagePart("adding", [adding], lambda v: v.question.run, lambda v: [history_view.adding(v.question)]),
        PagePart("undo", [undo], lambda v: (_subject(v), v.question.edited), lambda v: [history_view.undo(v.question)]),
        PagePart("sentence", sentence, lambda v: (*v.states(FIRST, "counterfactual"), v.shown_parts, v.trust),
             _shown(_sentence)),
        PagePart("sides", [sides], lambda v: (*v.states(FIRST), v.shown_parts, _lists_key(v)), _sides),
        PagePart("why", [why], lambda v: (v.question.run, v.answer is None), lambda v: [_why(v)]),
        PagePart("changes", changes, _changes_key, _shown(_changes)),
        PagePart("rival", [rather, rival], _rival, lambda v: [gr.Column(visible=bool(_rival(v))), _rival(v)]),
        PagePart("rather", [reasons], lambda v: v.states("rather", "why_not", "parts"), _rather),
        PagePart("smallest", smallest, lambda v: v.states("counterfactual"),
             _shown(lambda v, a: reasons_view.smallest(a, v.subjects.choice))),
        PagePart("confidence", confidence, lambda v: v.states("stability"),
             _shown(lambda _, a: reasons_view.confidence(a))),
        PagePart("words", words, _words_key, _shown(_words)),
        PagePart("share", share, lambda v: v.states(*v.standing.parts),
             _shown(lambda v, _: share_view.share(v.question, v.standing))),
        PagePart("expert", expert, lambda v: v.states("effects", *DEPTHS),
             _shown(lambda v, a: expert_view.fold(a, v.question))),
        PagePart("editor", [editor], _editor, lambda v: [_editor(v)]),
        PagePart("page", [page], lambda _: True, lambda _: [gr.Column(visible=True)]),
        PagePart("pace", [timer], lambda v: (v.question.address(), v.pending, v.idle), _pace),
    ]  # fmt: skip
    drawn = [component for part in parts for component in part.components]
    live = [question, seen, address, problem, *drawn]
    outputs = [*live, runs]

    def show(
        asked: LatestRequest[Question],
        last: dict[str, Any],
        *,
        again: bool = False,
        list_runs: bool = False,
        ticked: bool = False,
    ) -> list[Any]:
        """Values of all outputs. What did not change is left alone, and all is where something else was asked since.

        What was wrong with the visitor's last action stays while it only ``ticked``. A page with nothing to show looks
        again while a run is to come.
        """
        requested = asked.now
        try:
            state = load_view(requested, again=again, fresh=not ticked)
            found, (fresh, values) = state.question, refresh(parts, state, last)
            stays = gr.skip() if ticked and last else ""
            shown = [asked, fresh, found.address(), stays, *values, _runs(found, list_runs)]
        except Exception as error:
            pace = gr.Timer(WAITING_SECONDS, active=to_come(requested.run))
            hidden: dict[Any, Any] = {page: gr.Column(visible=False), timer: pace, progress: ""}
            faded = [hidden.get(component, gr.skip()) for component in drawn]
            found, shown = requested, [asked, {}, gr.skip(), _nothing(error), *faded, _runs(requested, list_runs)]
        return shown if asked.settle(requested, found) else [gr.skip()] * len(outputs)

    def opened(asked: LatestRequest[Question], request: gr.Request) -> list[Any]:
        asked.now = Question.read(dict(request.query_params))
        return show(asked, {}, again=True, list_runs=True)

    def tick(asked: LatestRequest[Question], last: dict[str, Any], request: gr.Request) -> list[Any]:
        return show(recalled(asked, request), last, ticked=True)[: len(live)]

    def act(
        asked: LatestRequest[Question], last: dict[str, Any], event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        action = event._data if isinstance(event._data, dict) else {}
        elsewhere = "address" in action
        try:
            if action.get("words") == "elsewhere":
                access.require_change(request)
            before = recalled(asked, request).now
            there = Question.read(Question.parse(str(action["address"]))) if elsewhere else before.changed(action)
            asked.now = there
            leave(before, there)
        except StudioError as error:
            return refused(error)
        return show(asked, last, again="again" in action, list_runs=elsewhere)

    def refused(error: StudioError) -> list[Any]:
        skipped = [gr.skip()] * len(outputs)
        skipped[outputs.index(problem)] = notice("bad", error_text(error))
        return skipped

    def chosen(run_id: str, asked: LatestRequest[Question], last: dict[str, Any], request: gr.Request) -> list[Any]:
        before = recalled(asked, request).now
        if run_id != before.run:
            try:
                asked.now = in_run(before, run_id)
            except StudioError as error:
                return refused(error)
            leave(before, asked.now)
        return show(asked, last)

    def addressed(event: Any) -> None:
        event.then(fn=None, inputs=address, js=ANSWERED)

    addressed(gr.context.Context.root_block.load(opened, question, outputs, **UNQUEUED))
    addressed(relay.click(act, [question, seen], outputs, trigger_mode="always_last", **UNQUEUED))
    addressed(runs.input(chosen, [runs, question, seen], outputs, **UNQUEUED))
    timer.tick(tick, [question, seen], live, **UNQUEUED)


def recalled(asked: LatestRequest[Question], request: gr.Request) -> LatestRequest[Question]:
    """What a visitor asks; read from her address where the server has forgotten it, or was started anew."""
    if asked.now == Question():
        asked.settle(Question(), Question.read(dict(request.query_params)))
    return asked


def _card(name: str, classes: str = "dr-card") -> list[Any]:
    """A card that shows once there is something in it: the column and what stands in it."""
    with gr.Column(visible=False, elem_classes=classes) as card:
        return [card, markup(elem_id=name)]


def _runs(question: Question, needed: bool) -> Any:
    if not needed:
        return gr.skip()
    done = api.runs(states=["done"], limit=MOST_RUNS)
    known = question.run if any(run.id == question.run for run in done) else None
    return gr.Dropdown(choices=[(run.name, run.id) for run in done], value=known)


def _nothing(error: Exception) -> Html:
    actions = tag("span", link("All runs", RUNS, class_="dr-button"), " ", link("Launch a run", HOME))
    return empty("Nothing to inspect", error_text(error), actions)


def _subject(v: InspectView) -> Hashable:
    """What stays while titles are edited: fields keep what is typed into them."""
    return (v.question.run, v.question.user, v.question.group, v.question.own)


def _head(v: InspectView) -> Sequence[Any]:
    return [pick_view.head(v.subjects, v.question)]


def _progress_key(v: InspectView) -> Hashable:
    return (*v.states(*v.standing.parts), v.idle, _lists_key(v))


def _lists_key(v: InspectView) -> Hashable:
    return None if v.lists is None else v.lists.state


def _notes(v: InspectView) -> Sequence[Any]:
    notes = view.notes(v.answer) if v.answer else ""
    return [Html(notes + share_view.failures(v.standing))]


def _history(v: InspectView) -> Sequence[Any]:
    history = v.history
    if history is None:
        if v.answer is None:
            return [Html("") if v.standing.stuck else history_view.awaited(), ""]
        history = history_view.of_answer(v.answer)
    return [history_view.cards(history, v.answer), history_view.meaning(v.answer)]


def _sentence(v: InspectView, answer: ExplanationReport) -> Html | None:
    if answer.summary is None:
        return None
    row = v.subjects.row_of(v.question.model)
    return view.sentence(answer, view.trusted(v.question.run, row, v.trust))


def _rival(v: InspectView) -> Html:
    """The rival's choice, once it is known which it is; the very same while nothing else was chosen."""
    chosen = v.answer.rather.rather_than.raw_id if v.answer and v.answer.rather else v.question.rival
    return reasons_view.rival(v.answer, chosen) if v.answer and chosen else Html("")


def _rather(v: InspectView) -> Sequence[Any]:
    if v.answer is None or not v.answer.rather:
        return [tag("p", "Being compared …", class_="dr-muted", role="status")]
    return [join([reasons_view.why_not(v.answer), reasons_view.reasons(v.answer), reasons_view.parts(v.answer)])]


def _shown(draw: Callable[[InspectView, ExplanationReport], Html | None]) -> Callable[[InspectView], Sequence[Any]]:
    """A card that stands once there is something in it."""

    def build(v: InspectView) -> Sequence[Any]:
        drawn = draw(v, v.answer) if v.answer is not None else None
        return [gr.Column(visible=drawn is not None), drawn or ""]

    return build


def _sides(v: InspectView) -> Sequence[Any]:
    if v.answer is not None:
        return [view.sides(v.answer, v.question)]
    if v.lists is not None:
        return [share_view.suggestions(v.lists)]
    return [share_view.nothing() if v.standing.stuck else share_view.waiting(v.question)]


def _why(v: InspectView) -> Html:
    """The field that asks about any title, once something is ranked."""
    if v.answer is None:
        return Html("")
    return finding(v.question, "why", "Why is a title not recommended?", "Search all titles of the catalogue")


def _changes_key(v: InspectView) -> Hashable:
    return (*v.states(), v.answer is None, v.before is None or v.before.answer is None)


def _changes(v: InspectView, answer: ExplanationReport) -> Html | None:
    return view.changes(v.before.answer, answer) if v.before and v.before.answer else None


def _words_key(v: InspectView) -> Hashable:
    return (*v.states(WORDS, FIRST), str(v.answer.writing) if v.answer else "")


def _words(v: InspectView, answer: ExplanationReport) -> Html | None:
    if not v.question.writes:
        return join([words_view.offered(), words_view.elsewhere(v.subjects.config.explain)])
    if v.standing.state(WORDS) == "stopped":
        return words_view.stopped()
    if (checked := words_view.checked(answer)) is not None:
        return join([checked, words_view.elsewhere(v.subjects.config.explain)])
    return words_view.growing(answer, v.standing.state(WORDS))


def _editor(v: InspectView) -> Html:
    """The very same while the model was asked nothing else: what somebody writes into it stays."""
    if v.answer is None or not (v.question.expert and v.answer.rationale):
        return Html("")
    return words_view.editor(v.answer, v.question)


def _pace(v: InspectView) -> Sequence[Any]:
    return [gr.Timer(WAITING_SECONDS if v.idle else LIVE_SECONDS, active=v.pending)]
