"""What the page *Inspect* fetches: titles while they are typed, and an inspected recommendation to take along."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from engine.errors import StudioError
from engine.explain.report import ExplanationReport
from jobs import api
from webapp.inspect.question import DEPTHS, LONGEST_TITLE, Question
from webapp.inspect.session import load
from webapp.inspect.subjects import Subjects, subjects_of
from webapp.inspect.views.report import report

SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
CLOSED = "default-src 'none'; style-src 'unsafe-inline'"
"""What a file that needs nothing else may fetch: nothing."""
router = APIRouter()


@router.get("/-/titles")
def titles(run: str = "", q: str = "") -> JSONResponse:
    """Items of a run's catalogue that ``q`` may mean, best first: title, reference and genres."""
    try:
        subjects = subjects_of(api.status(run))
        search = subjects.search
    except StudioError:
        return JSONResponse([], headers=SAFE)
    catalogue = search.catalogue
    found = [
        {**asdict(catalogue.choice(item)), "genres": list(catalogue.genres[item])}
        for item in search.find(q[:LONGEST_TITLE])
    ]
    return JSONResponse(found, headers=SAFE)


@router.get("/-/inspect.json")
def as_json(request: Request) -> Response:
    """Everything that was measured so far about the recommendation that the address names."""
    question, _, answer = _measured(request)
    text = json.dumps({"question": question.query(), **answer.to_json()}, indent=1, ensure_ascii=False) + "\n"
    return Response(text, media_type="application/json", headers=_attached(question, "json"))


@router.get("/-/inspect.html")
def as_html(request: Request) -> Response:
    """The same for readers: one file that needs nothing else."""
    question, subjects, answer = _measured(request)
    text = report(subjects, question, answer)
    headers = {**_attached(question, "html"), "Content-Security-Policy": CLOSED}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


def _measured(request: Request) -> tuple[Question, Subjects, ExplanationReport]:
    """What is known; whatever the expert fold measured is taken along."""
    try:
        question = Question.read(dict(request.query_params))
        run = api.status(question.run)
        question, subjects = replace(question, run=run.id), subjects_of(run)
        parts = tuple(dict.fromkeys((*question.parts, "rationale", *DEPTHS)))
        answer = load(question, parts).answer
    except StudioError as error:
        raise HTTPException(404, str(error)) from None
    if answer is None:
        raise HTTPException(404, "nothing of this is measured yet: open it on the page Inspect first")
    return question, subjects, answer


def _attached(question: Question, ending: str) -> dict[str, str]:
    who = "".join(letter for letter in question.user if letter.isascii() and letter.isalnum()) or "titles"
    name = f"delrec-{question.run}-{who}.{ending}"
    return {**SAFE, "Content-Disposition": f'attachment; filename="{name}"'}
