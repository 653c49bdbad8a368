"""The tour as one HTML file: all its steps below each other, for paper and for readers without the app."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from engine.errors import StudioError
from jobs import api
from webapp.html import Html, tag
from webapp.inspect.downloads import CLOSED, SAFE
from webapp.inspect.session import load
from webapp.inspect.subjects import Subjects, subjects_of
from webapp.inspect.views.report import document, measured_by
from webapp.tour_stops import STEPS, stops
from webapp.views import tour as view

router = APIRouter()


@router.get("/-/tour.html")
def as_html(run: str = "") -> Response:
    """The tour of a run, as far as its users are measured."""
    try:
        subjects = subjects_of(api.status(run))
        text = tour(subjects)
    except StudioError as error:
        raise HTTPException(404, str(error)) from None
    name = f'attachment; filename="delrec-tour-{subjects.run.id}.html"'
    headers = {**SAFE, "Content-Disposition": name, "Content-Security-Policy": CLOSED}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


def tour(subjects: Subjects) -> Html:
    """The whole document."""
    steps = {1: view.beginning(subjects)}
    for step, stop in stops(subjects).items():
        answer = load(stop.question, stop.parts()).answer if stop.question and stop.settled else None
        if stop.question and answer is not None:
            steps[step] = view.person(subjects, stop.question, answer, step, frozen=True)
    steps[STEPS] = view.end(subjects, api.results(subjects.run.id), frozen=True)
    named = view.names(subjects)
    parts = [
        tag("section", tag("h2", f"{number}. {named[step - 1]}", class_="dr-step"), steps[step], class_="dr-stop")
        for number, step in enumerate(steps, 1)
    ]
    title = f"A tour of {subjects.run.name}"
    header = tag("header", tag("h1", title, class_="dr-title"))
    return document(title, header, tag("div", parts, id="tour-body"), measured_by(subjects.config.seed))
