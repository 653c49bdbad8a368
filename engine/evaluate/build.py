"""How ``metrics.json`` is made from the raw answers.

Intervals are 95 % percentile bootstrap intervals over the test users of one seed; those of differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from engine.config import RunConfig
from engine.evaluate.lists import list_measures
from engine.evaluate.report import (
    Comparison,
    Estimate,
    Measure,
    ModelResult,
    ProtocolDetails,
    Report,
    StageTime,
    TeacherCheck,
)
from engine.evaluate.rows import Evaluation
from engine.evaluate.slices import Context, slices
from engine.labels import label, plural
from engine.metrics.agreement import agreement
from engine.metrics.bootstrap import Bootstrap, Interval
from engine.metrics.ranks import TIE_RULE, per_example
from engine.rows import LLM_ROWS, RowKind

EXTRA_PAIRS = tuple((row.name, other) for row in LLM_ROWS for other in row.against)
"""Comparisons beside those of every model with the teacher."""


def build_report(
    evaluation: Evaluation,
    about: Context,
    config: RunConfig,
    *,
    run_id: str,
    dataset: str,
    users_available: int,
    stages: Iterable[Mapping[str, Any]] = (),
    teachers: Iterable[TeacherCheck] = (),
    peak_memory_mb: float = 0.0,
    priors: Mapping[str, float] | None = None,
) -> Report:
    """The table with intervals and comparisons, and the same by slices of the test users.

    Args:
        about: of the evaluation's examples, in their order.
        users_available: test users before sampling.
        stages: ``{"name", "seconds"}`` of each stage; other keys are passed over.
        teachers: how they did on the users that validated them.
    """
    users = len(evaluation.examples)
    in_user_order = np.argsort(evaluation.examples.users)  # so that the order of the examples changes nothing
    about = about.take(in_user_order)
    columns = {key: values[in_user_order] for key, values in _columns(evaluation).items()}
    pairs = [(name, evaluation.teacher) for name in evaluation.rows if name != evaluation.teacher]
    pairs += [pair for pair in EXTRA_PAIRS if set(pair) <= set(evaluation.rows)]
    metrics = [(section, metric) for name, section, metric in columns if name == evaluation.teacher]
    contrasts = [(a, b, section, metric) for a, b in pairs for section, metric in metrics if section != "agreement"]
    values = [
        *columns.values(),
        *(columns[a, section, metric] - columns[b, section, metric] for a, b, section, metric in contrasts),
    ]
    bootstrap = Bootstrap(users, config.eval.bootstrap, config.seed)
    intervals = bootstrap.intervals(np.stack(values, axis=1))
    estimates = dict(zip(columns, intervals, strict=False))
    listings = {name: row.listing.items[in_user_order] for name, row in evaluation.rows.items()}
    listed = list_measures(listings, about, bootstrap)
    details = _details(evaluation, about, config, users_available, dict(priors or {}))
    return Report(
        run_id=run_id,
        dataset=dataset,
        protocol=_sentence(details, users, llms=any(row.kind == "llm" for row in evaluation.rows.values())),
        users=users,
        seed=config.seed,
        models=[_model(name, row.kind, estimates, listed[name]) for name, row in evaluation.rows.items()],
        comparisons=[
            _comparison(a, b, f"{section}.{metric}", Estimate.of(interval))
            for (a, b, section, metric), interval in zip(contrasts, intervals[len(columns) :], strict=True)
        ],
        stages=[StageTime(name=stage["name"], seconds=stage["seconds"]) for stage in stages],
        peak_memory_mb=peak_memory_mb,
        protocol_details=details,
        teachers=list(teachers),
        slices=slices(columns, about, evaluation.teacher, bootstrap),
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
            ("warm_candidates", per_example(row.warm_ranks) if row.warm_ranks else {}),
            ("agreement", agreement(row.candidates, teacher)),
        )
        for metric, values in metrics.items()
    }


def _model(
    name: str, kind: RowKind, estimates: Mapping[tuple[str, str, str], Interval], lists: dict[str, Measure]
) -> ModelResult:
    sections: dict[str, dict[str, Estimate]] = {"candidates": {}, "full": {}, "agreement": {}, "warm_candidates": {}}
    for (model, section, metric), interval in estimates.items():
        if model == name:
            sections[section][metric] = Estimate.of(interval)
    return ModelResult(name=name, kind=kind, lists=lists, **sections)


def _comparison(a: str, b: str, metric: str, difference: Estimate) -> Comparison:
    return Comparison(a=a, b=b, metric=metric, difference=difference.value, low=difference.low, high=difference.high)


def _details(
    evaluation: Evaluation, about: Context, config: RunConfig, users_available: int, priors: Mapping[str, float]
) -> ProtocolDetails:
    return ProtocolDetails(
        teacher=evaluation.teacher,
        split=config.data.split,
        cold_items=about.cold_items if config.data.split == "cold-items" else None,
        candidates=evaluation.candidates.shape[1],
        negatives=config.data.negatives,
        history=config.data.history,
        teacher_history=config.teacher.max_length,
        whole=tuple(sorted(evaluation.whole)),
        priors=priors,
        items=evaluation.n_items,
        full_top=evaluation.rows[evaluation.teacher].listing.items.shape[1],
        ties=TIE_RULE,
        users_available=users_available,
        interval="95 % percentile bootstrap over users, differences paired, one seed",
        bootstrap=config.eval.bootstrap,
    )


def _sentence(details: ProtocolDetails, users: int, *, llms: bool) -> str:
    sampled = users < details.users_available
    tested = f"a fixed random sample of {users} of {details.users_available}" if sampled else f"all {users}"
    drawn = "uniformly" if details.negatives == "uniform" else "by popularity"
    read = plural(details.history, "item")
    m, cold = details.candidates, details.cold_items is not None
    if details.whole:
        ranked = "; every model ranks all of it"
        ranked += f", by likelihoods the {details.full_top} titles most like the history" if details.priors else ""
    else:
        ranked = f"; LLM rows re-rank the best {details.full_top} of {details.teacher}, shown in random order"
        ranked += ", and keep its order below"
    parts = (
        f"{details.split} split, {tested} test users"
        + (f", {details.cold_items} items kept out of all histories, training and validation" if cold else ""),
        f"{m} candidates: the true next item and {m - 1} unseen ones drawn {drawn}, "
        + (f"all cold, and again with {m - 1} warm ones, " if cold else "")
        + "the same for every model"
        + (f"; who knows only ids is at chance among cold ones (HR@1 {1 / m:.3f})" if cold else ""),
        f"full catalogue: {details.items} items without the user's history{ranked if llms else ''}",
        (f"LLMs see the last {read}{' and no list' if details.whole else ''}, " if llms else "")
        + f"teachers{'' if llms else ' see'} the last {details.teacher_history}",
        *(
            f"{label(row)} ranks by the likelihood of whole titles, minus {prior:g} times that without the history"
            for row, prior in details.priors.items()
        ),
        details.ties,
        f"intervals: {details.interval}, {details.bootstrap} samples",
    )
    return "; ".join(parts)
