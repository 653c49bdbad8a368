"""What can be asked about a finished run. A kind is added here; its code is imported where it is answered.

An answer is a function of the run's folder and the request, a JSON object, and returns a JSON object. It checks the
request and raises :class:`StudioError` where that is not usable; whoever asked is told.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.naming import run_folder
from engine.errors import StudioError
from engine.run_folder import RunFolder

if TYPE_CHECKING:
    from engine.models import Models
    from engine.recommend import Recommendation

Answer = Callable[[Path, Mapping[str, Any]], Mapping[str, Any]]

KINDS: dict[str, str] = {"recommend": "jobs.kinds:recommend", "explain": "jobs.kinds:explain"}
"""Module and function of each kind."""


def load(kind: str) -> Answer:
    """The function that answers questions of this kind."""
    module, _, name = KINDS[kind].partition(":")
    function: Answer = getattr(importlib.import_module(module), name)
    return function


def models(folder: Path) -> Models:
    """The models of a finished run; those of the last run asked for are kept in memory.

    Raises:
        StudioError: parts of the run are missing or damaged, or a newer version wrote it.
    """
    RunFolder.open(folder)
    return _loaded(folder, (folder / "run.json").stat().st_mtime_ns)


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
    """What comes after these titles, oldest first? See :class:`engine.recommend.Recommendation`."""

    titles: list[str]
    k: int = Field(10, ge=1, le=100)


class ExplainRequest(Request):
    """Why is an item recommended? See :func:`engine.explain.explanation.explain`."""

    user: str | None = None
    """A test user by id in the data set; or else"""
    titles: list[str] = []
    """a history of one's own, oldest first."""
    item: str | None = None
    """The candidate to explain, a title or id; the language model's first by default."""
    candidates: Literal["sampled", "catalogue"] = "sampled"
    parts: list[str] = []
    """All parts where none is named."""
    prompt_of: list[str] = []
    """Ids of runs whose soft prompts are tried too."""


def recommend(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answers a :class:`RecommendRequest`."""
    asked = RecommendRequest.read(request)
    return asdict(recommendation(models(folder), asked.titles, asked.k))


def explain(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answers an :class:`ExplainRequest`."""
    asked = ExplainRequest.read(request)
    if (asked.user is None) == (not asked.titles):
        raise StudioError("whose recommendation?", where="user, titles", remedy="give one of the two")
    from engine.explain import bench, explanation
    from engine.llm import SoftPrompt

    explanation.check_parts(asked.parts)
    loaded = models(folder)
    others = {
        run_id: SoftPrompt.load(RunFolder.open(run_folder(run_id)).soft_prompt, loaded.backbone)
        for run_id in asked.prompt_of
    }
    if asked.user is not None:
        chosen = bench.bench_of_user(loaded, asked.user, asked.item, asked.candidates)
    else:
        chosen = bench.bench_of_titles(loaded, asked.titles, asked.item)
    parts = asked.parts or tuple(explanation.PARTS)
    return {"run_id": folder.name, **explanation.explain(explanation.Explanation(chosen, others), parts)}


def recommendation(models: Models, titles: Sequence[str], k: int) -> Recommendation:
    """The teacher's answer and that of the run's last stage."""
    from engine.models import last_row
    from engine.recommend import recommend as answer
    from engine.teachers import baselines

    config = models.config
    popularity, _ = baselines(models.split)
    return answer(
        titles,
        catalogue=models.dataset.catalogue,
        teacher=models.teacher,
        popularity=popularity,
        llm=lambda catalogue: models.ranker(last_row(config), catalogue),
        k=k,
        top=config.eval.full_top,
    )


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, changed: int) -> Models:  # noqa: ARG001 - another run in its place is read anew
    from engine.models import Models
    from engine.monitor import Monitor

    return Models.load(RunFolder(folder), Monitor())
