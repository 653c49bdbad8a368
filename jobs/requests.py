"""What can be asked about a finished run. A kind is added here; its code is imported where it is answered.

An answer is a function of the run's folder and the request, a JSON object, and returns a JSON object. It checks the
request and raises :class:`StudioError` where that is not usable; whoever asked is told.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from db.naming import run_folder
from engine.default_row import chosen_row
from engine.errors import StudioError
from engine.explain.report import PARTS, CandidatePool, check_parts
from engine.registered import registered
from engine.run_folder import RunFolder

if TYPE_CHECKING:
    from engine.explain.explanandum import Explanandum
    from engine.llm import SoftPrompt
    from engine.models import Models

OnProgress = Callable[[Mapping[str, Any]], None]
"""Called with what is known of an answer so far; a long answer lets shorter ones pass meanwhile."""
Handler = Callable[[Path, Mapping[str, Any], OnProgress], Mapping[str, Any]]

KINDS: dict[str, str] = {
    "recommend": "jobs.requests:recommend",
    "explain": "jobs.requests:explain",
    "pattern": "jobs.measurements:pattern",
    "faithfulness": "jobs.measurements:faithfulness",
    "drivers": "jobs.measurements:drivers",
    "falsify": "jobs.measurements:falsify",
}
"""Module and function of each kind."""
ANSWERS: dict[str, str] = {
    "recommend": "engine.recommend:Recommendation",
    "explain": "engine.explain.report:ExplanationReport",
    "pattern": "engine.explain.run_figures:PatternFigures",
    "faithfulness": "engine.explain.run_figures:TrustFigures",
    "drivers": "engine.explain.run_figures:DriversMeasured",
    "falsify": "engine.falsify.record:Falsification",
}
"""Module and type of what each kind answers, as which a stored answer is read."""
LONG = frozenset({"pattern", "faithfulness", "drivers", "falsify"})
"""Kinds that take minutes. They tell often, and only where the models may be asked something else in between."""
WRITING = "writing"
"""In what is told of an answer while the model writes; the models may be asked something else in between."""
KEPT_BENCHES = 8
"""Recommendations whose answers so far are remembered for the next question about them."""


def load(kind: str) -> Handler:
    """The function that answers questions of this kind."""
    function: Handler = registered(KINDS[kind])
    return function


def read_answer(kind: str, answer: Any) -> dict[str, Any]:
    """An answer as it was stored, or as an earlier version or a broken disk left it; what readers do not know is gone.

    Raises:
        StudioError: it is no answer to a question of this kind.
    """
    if kind not in ANSWERS:
        what = f"the stored answer is of a kind that is not known here: {kind!r}"
        raise StudioError(what, where="kind", remedy="ask again with the version that asked")
    form = _form(kind)
    try:
        found = form.validate_json(json.dumps(answer, allow_nan=False))
    except (ValidationError, ValueError) as error:
        fault = error.errors()[0] if isinstance(error, ValidationError) else {"msg": str(error), "loc": ()}
        place = ".".join(map(str, fault["loc"]))
        again = "measure again" if kind in LONG else "ask again"
        raise StudioError(f"the stored answer cannot be read: {fault['msg']}", where=place, remedy=again) from None
    read: dict[str, Any] = form.dump_python(found, mode="json", by_alias=True, exclude_unset=True)
    return read


@functools.cache
def _form(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(registered(ANSWERS[kind]))


def models(folder: Path) -> Models:
    """The models of a finished run; those of the last run asked for are kept in memory.

    Raises:
        StudioError: parts of the run are missing or damaged, or a newer version wrote it.
    """
    RunFolder.open(folder).check()
    return _loaded(folder, _changed(folder))


def soft_prompts(run_ids: Sequence[str], models: Models) -> dict[str, SoftPrompt]:
    """The soft prompts of other runs by id.

    Raises:
        StudioError: a run is gone, has none, or one of another language model.
    """
    from engine.llm import SoftPrompt

    runs = {run_id: RunFolder.open(run_folder(run_id)) for run_id in run_ids}
    return {
        run_id: SoftPrompt.load(run.files.checked(run.soft_prompt), models.backbone, models.split.n_items)
        for run_id, run in runs.items()
    }


class Request(BaseModel):
    """What all requests have in common: unknown keys and values of other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Raises :class:`StudioError` that names the first key that is not usable."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"]))
            remedy = f"known are {', '.join(cls.model_fields)}"
            raise StudioError(f"the question is not usable: {fault['msg']}", where=place, remedy=remedy) from None


class RecommendRequest(Request):
    """What comes after these titles, oldest first? See :func:`engine.recommend.understand` and
    :class:`engine.recommend.Recommendation`."""

    titles: list[str]
    k: int = Field(10, ge=1, le=100)


class ExplainRequest(Request):
    """Why is an item recommended? See :func:`engine.explain.explainer.explain`.

    While it is answered, the facts and the parts measured so far are told, ``measuring`` names the part under way, and
    ``writing`` holds the model's texts as far as they are written.
    """

    user: str | None = None
    """A test user by id in the data set; or else"""
    titles: list[str] = []
    """a history of one's own, oldest first. With a user, what her history is changed to: the candidates stay hers."""
    item: str | None = None
    """The candidate to explain, a title or ``id:…``; the language model's first by default."""
    rival: str | None = None
    """The candidate that ``rather`` holds it against, a title or ``id:…``; the strongest other one by default."""
    candidates: CandidatePool = "sampled"
    parts: list[str] = []
    """All parts where none is named."""
    model: str | None = None
    """The row of the results table that answers; empty for the default one."""
    beside: str | None = None
    """The row whose ranking and reasons stand beside it; the teacher by default, or DELRec beside the teacher."""
    prompt_of: list[str] = []
    """Ids of runs whose soft prompts are tried too."""
    rationale_prompt: str | None = Field(None, min_length=1)
    """What the language model is asked instead of the request that is made of the evidence."""
    rationale_adapter: bool = False
    """Whether the fine-tuned weights write, or the base ones."""
    rationale_samples: int = Field(3, ge=1, le=8)
    """Texts to write at most, until one of them holds."""
    rationale_elsewhere: int = Field(0, ge=0)
    """Above 0 the endpoint of the run's ``explain.writer_url`` is asked first: the titles and measurements of this
    recommendation leave this machine. Another number asks anew."""


def recommend(folder: Path, request: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:  # noqa: ARG001 - it takes no time
    """Answers a :class:`RecommendRequest`."""
    asked = RecommendRequest.read(request)
    return asdict(models(folder).recommend(asked.titles, asked.k))


def explain(folder: Path, request: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    """Answers an :class:`ExplainRequest`."""
    asked = ExplainRequest.read(request)
    if asked.user is None and not asked.titles:
        raise StudioError("whose recommendation?", where="user, titles", remedy="give one of the two")
    check_parts(asked.parts)
    from engine.explain import explainer
    from engine.explain.rationale import WriterOptions

    loaded = models(folder)
    others = soft_prompts(asked.prompt_of, loaded)
    if asked.rationale_elsewhere and not loaded.config.explain.writer_url:
        remedy = "launch a run with explain.writer_url and explain.writer_model"
        raise StudioError("this run names no writer elsewhere", where="explain.writer_url", remedy=remedy)
    elsewhere = asked.rationale_elsewhere > 0
    writing = WriterOptions(asked.rationale_prompt, asked.rationale_adapter, asked.rationale_samples, elsewhere)
    chosen = _chosen(folder, asked)
    parts = asked.parts or PARTS
    known = {"run_id": folder.name}
    reasons = explainer.Explainer(chosen, others, writing)
    return {**explainer.explain(reasons, parts, lambda partial: on_progress({**known, **partial})).to_json(), **known}


def _changed(folder: Path) -> int:
    return (folder / "run.json").stat().st_mtime_ns


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, changed: int) -> Models:  # noqa: ARG001 - another run in its place is read anew
    from engine.models import Models
    from engine.monitor import Monitor

    _explanandum.cache_clear()  # explananda keep the models they ask
    return Models.load(RunFolder(folder), Monitor())


def _chosen(folder: Path, asked: ExplainRequest) -> Explanandum:
    """What a request asks about, with its item, held against its rival."""
    row = asked.model or chosen_row(RunFolder(folder)).row
    about = (folder, _changed(folder), asked.user, tuple(asked.titles), asked.candidates, row, asked.beside)
    explained = _explanandum(*about, None, None)
    item = None if asked.item is None else explained.column(asked.item, "item")
    rival = None if asked.rival is None else explained.column(asked.rival, "rival")
    if (item is None) != (asked.item is None) or (rival is None) != (asked.rival is None):
        return _explanandum(*about, asked.item, asked.rival)  # with what is no candidate yet
    explained = explained if item is None else explained.about(item)
    return explained if rival is None else explained.against(rival)


@functools.lru_cache(maxsize=KEPT_BENCHES)
def _explanandum(
    folder: Path,
    changed: int,
    user: str | None,
    titles: tuple[str, ...],
    candidates: Any,
    row: str,
    beside: str | None,
    item: str | None,
    rival: str | None,
) -> Explanandum:
    """One recommendation; what was asked of it is remembered with it."""
    from engine.explain.explananda import (
        ExplanationTarget,
        explanandum_of_edited,
        explanandum_of_titles,
        explanandum_of_user,
    )

    loaded, target = _loaded(folder, changed), ExplanationTarget(item, rival, row, beside)
    if user is None:
        return explanandum_of_titles(loaded, titles, target)
    if titles:
        return explanandum_of_edited(loaded, user, titles, target, candidates)
    return explanandum_of_user(loaded, user, target, candidates)
