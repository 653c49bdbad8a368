"""``metrics.json``: the documented schema, and how it is made from the raw answers.

Intervals are 95 % percentile bootstrap intervals over the test users of one seed; those of differences are paired.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from engine.config import RunConfig
from engine.evaluate.agreement import agreement
from engine.evaluate.bootstrap import Bootstrap, Interval
from engine.evaluate.metrics import TIE_RULE, per_example
from engine.evaluate.rows import Evaluation, Kind

DECIMALS = 8
EXTRA_PAIRS = (
    ("delrec", "llm-zero-shot"),
    ("delrec", "llm-distilled"),
    ("delrec-plus", "delrec"),
    ("delrec-plus", "ensemble"),
)
"""Comparisons beside those of every model with the teacher."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Estimate(_Record):
    """A mean over the test users and its 95 % interval."""

    value: float
    low: float
    high: float


class ModelResult(_Record):
    """A row of the table."""

    name: str
    """popularity, markov, sasrec, gru4rec, caser, ensemble, llm-zero-shot, llm-distilled, delrec or delrec-plus."""
    kind: Kind
    candidates: dict[str, Estimate]
    """HR@1, HR@5, HR@10, NDCG@5, NDCG@10 among the sampled candidates."""
    full: dict[str, Estimate]
    """The same in the full catalogue; LLM rows re-rank the teacher's best K, but DELRec-plus ranks all items."""
    agreement: dict[str, Estimate]
    """top-1, overlap@5 and kendall-tau with the teacher on the same candidates."""


class Comparison(_Record):
    """A paired difference, ``a`` minus ``b``."""

    a: str
    b: str
    metric: str
    """e.g. candidates.HR@1 or full.NDCG@10."""
    difference: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


class StageTime(_Record):
    """Seconds that a stage took over all attempts."""

    name: str
    seconds: float


class ProtocolDetails(_Record):
    """What the protocol's sentence says, field by field."""

    teacher: str
    """The teacher whose list the LLM rows re-rank and with which agreement is measured."""
    split: Literal["leave-one-out", "temporal"]
    candidates: int
    negatives: Literal["uniform", "popularity"]
    history: int
    teacher_history: int
    plus_history: int | None = None
    """History items that DELRec-plus reads; empty without it."""
    plus_whole: bool = False
    """DELRec-plus ranks the whole catalogue, as teachers do; earlier versions had it re-rank the teacher's list."""
    items: int
    """Size of the full catalogue."""
    full_top: int
    """Items of the teacher that LLM rows re-rank (K)."""
    ties: str
    users_available: int
    interval: str
    bootstrap: int


class Report(_Record):
    """The object in ``metrics.json``."""

    run_id: str
    dataset: str
    protocol: str
    """The protocol in words."""
    users: int
    """Test users behind every figure."""
    seed: int
    models: list[ModelResult]
    comparisons: list[Comparison]
    stages: list[StageTime]
    peak_memory_mb: float
    protocol_details: ProtocolDetails

    def model(self, name: str) -> ModelResult:
        """The row called ``name``; KeyError if there is none."""
        return {row.name: row for row in self.models}[name]

    def to_json(self) -> str:
        """The text of ``metrics.json``; equal reports give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def build_report(
    evaluation: Evaluation,
    config: RunConfig,
    *,
    run_id: str,
    dataset: str,
    users_available: int,
    stages: Iterable[Mapping[str, Any]] = (),
    peak_memory_mb: float = 0.0,
) -> Report:
    """The table with intervals and comparisons.

    Args:
        users_available: test users before sampling.
        stages: ``{"name", "seconds"}`` of each stage; other keys are passed over.
    """
    users = len(evaluation.examples)
    columns = _columns(evaluation)
    pairs = [(name, evaluation.teacher) for name in evaluation.rows if name != evaluation.teacher]
    pairs += [pair for pair in EXTRA_PAIRS if set(pair) <= set(evaluation.rows)]
    metrics = [(section, metric) for name, section, metric in columns if name == evaluation.teacher]
    contrasts = [
        (a, b, section, metric) for a, b in pairs for section, metric in metrics if section in ("candidates", "full")
    ]
    values = [
        *columns.values(),
        *(columns[a, section, metric] - columns[b, section, metric] for a, b, section, metric in contrasts),
    ]
    in_user_order = np.argsort(evaluation.examples.users)  # so that the order of the examples changes nothing
    bootstrap = Bootstrap(users, config.eval.bootstrap, config.seed)
    intervals = bootstrap.intervals(np.stack(values, axis=1)[in_user_order])
    estimates = dict(zip(columns, intervals, strict=False))
    details = _details(evaluation, config, users_available)
    return Report(
        run_id=run_id,
        dataset=dataset,
        protocol=_sentence(details, users),
        users=users,
        seed=config.seed,
        models=[_model(name, row.kind, estimates) for name, row in evaluation.rows.items()],
        comparisons=[
            Comparison(a=a, b=b, metric=f"{section}.{metric}", **_rounded(interval, "difference"))
            for (a, b, section, metric), interval in zip(contrasts, intervals[len(columns) :], strict=True)
        ],
        stages=[StageTime(name=stage["name"], seconds=stage["seconds"]) for stage in stages],
        peak_memory_mb=peak_memory_mb,
        protocol_details=details,
    )


def _columns(evaluation: Evaluation) -> dict[tuple[str, str, str], np.ndarray]:
    """Per-example values ``[n]`` by (model, section, metric)."""
    teacher = evaluation.rows[evaluation.teacher].candidates
    return {
        (name, section, metric): values
        for name, row in evaluation.rows.items()
        for section, metrics in (
            ("candidates", per_example(row.ranks)),
            ("full", per_example(row.full)),
            ("agreement", agreement(row.candidates, teacher)),
        )
        for metric, values in metrics.items()
    }


def _model(name: str, kind: Kind, estimates: Mapping[tuple[str, str, str], Interval]) -> ModelResult:
    sections: dict[str, dict[str, Estimate]] = {"candidates": {}, "full": {}, "agreement": {}}
    for (model, section, metric), interval in estimates.items():
        if model == name:
            sections[section][metric] = Estimate(**_rounded(interval, "value"))
    return ModelResult(name=name, kind=kind, **sections)


def _rounded(interval: Interval, name: str) -> dict[str, float]:
    """Rounded beyond any meaning, so that the order of sums in the processor cannot change the bytes."""
    value, low, high = (round(number, DECIMALS) + 0.0 for number in interval)
    return {name: value, "low": low, "high": high}


def _details(evaluation: Evaluation, config: RunConfig, users_available: int) -> ProtocolDetails:
    return ProtocolDetails(
        teacher=evaluation.teacher,
        split=config.data.split,
        candidates=evaluation.candidates.shape[1],
        negatives=config.data.negatives,
        history=config.data.history,
        teacher_history=config.teacher.max_length,
        plus_history=config.plus.window if "delrec-plus" in evaluation.rows else None,
        plus_whole="delrec-plus" in evaluation.rows,
        items=evaluation.n_items,
        full_top=evaluation.rows[evaluation.teacher].listing.items.shape[1],
        ties=TIE_RULE,
        users_available=users_available,
        interval="95 % percentile bootstrap over users, differences paired, one seed",
        bootstrap=config.eval.bootstrap,
    )


def _sentence(details: ProtocolDetails, users: int) -> str:
    sampled = users < details.users_available
    tested = f"a fixed random sample of {users} of {details.users_available}" if sampled else f"all {users}"
    drawn = "uniformly" if details.negatives == "uniform" else "by popularity"
    parts = (
        f"{details.split} split, {tested} test users",
        f"{details.candidates} candidates: the true next item and {details.candidates - 1} unseen ones drawn {drawn}, "
        "the same for every model",
        f"full catalogue: {details.items} items without the user's history; LLM rows re-rank the best "
        f"{details.full_top} of {details.teacher}, shown in random order, and keep its order below"
        + (", but DELRec-plus ranks all items itself" if details.plus_whole else ""),
        f"LLMs see the last {details.history} items, teachers the last {details.teacher_history}"
        + (f", DELRec-plus the last {details.plus_history} and no list" if details.plus_history else ""),
        details.ties,
        f"intervals: {details.interval}, {details.bootstrap} samples",
    )
    return "; ".join(parts)
