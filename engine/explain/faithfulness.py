"""How far the reasons are to be trusted, over a fixed sample of users.

Titles are removed in the order in which a method holds them for important, and in a random order beside it; see
:mod:`engine.explain.erasure` for what is measured. The target is the model's own top answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine import distributed
from engine.errors import StudioError
from engine.evaluate import sample_users
from engine.explain.effects import leave_one_out
from engine.explain.erasure import Curves, Limits, erasure, limits
from engine.explain.evidence import gather
from engine.explain.explananda import ExplanationTarget, explanandum_of_user
from engine.explain.explanandum import Explanandum
from engine.explain.gradients import differentiable, integrated_gradients
from engine.explain.predictor import probabilities
from engine.explain.rationale import rationales
from engine.explain.removal import Delete
from engine.explain.text_diversity import commonest, distinct_2, skeleton
from engine.explain.trust import trust_sentence
from engine.metrics.agreement import kendall_tau
from engine.metrics.bootstrap import Bootstrap, Interval
from engine.models import Models
from engine.monitor import Monitor
from engine.seeds import generator

USERS = 20
STEPS = 8
"""Points of the gradients' path: fewer than for a single recommendation."""
STAGE = "faithfulness"


MEASURES: Mapping[str, Callable[[UserFigures, str], np.ndarray]] = {
    "comprehensiveness": lambda figures, order: figures.curves[order].comprehensiveness,
    "sufficiency": lambda figures, order: figures.curves[order].sufficiency,
}
"""The curve of each measure under an order of removal."""


@dataclass(frozen=True)
class UserFigures:
    """The measures of one user, the last of the text that is shown."""

    curves: dict[str, Curves]
    limits: Limits
    full: float
    """p of the top answer after the whole history."""
    tau: dict[str, float]
    grounded: bool
    invented: int
    written: bool
    """Whether the language model wrote it; else it is computed."""
    precision: float | None
    """Share of its statements that are as measured; ``None`` where it states nothing that can be checked."""
    skeleton: str
    """The text without titles and numbers."""


def measure(explained: Explanandum, random: np.random.Generator) -> UserFigures:
    """The figures of one user, about the row's own top answer."""
    row = explained.model
    loo_effects = leave_one_out(row, [Delete()])["delete"]
    comparison = leave_one_out(explained.beside, [Delete()])["delete"].margin
    importance = {"loo": loo_effects.margin}
    if differentiable(row.ranker):
        importance["ig"] = integrated_gradients(row.ranker, explained.instance, STEPS).items
    importance["random"] = random.permutation(len(explained.instance.history)).astype(np.float64)
    evidence = gather(explained, loo_effects, None)
    shown = rationales(explained.models.backbone, evidence, seed=explained.models.config.seed)[0]
    verdict = shown.grounding
    curves = {name: erasure(row, order) for name, order in importance.items()}
    pairs = {f"loo/{name}": kendall_tau(importance["loo"], importance[name]) for name in list(importance)[1:]}
    return UserFigures(
        curves=curves,
        limits=limits(row, list(curves.values())),
        full=float(probabilities(row.full(), explained.instance.target)),
        tau=pairs | {"loo/beside": kendall_tau(importance["loo"], comparison)},
        grounded=verdict.badge == "grounded",
        invented=len(verdict.invented),
        written=shown.weights != "computed",
        precision=verdict.precision,
        skeleton=skeleton(shown.text, evidence),
    )


def faithfulness(
    models: Models, users: int, monitor: Monitor, model: str | None = None, beside: str | None = None
) -> dict[str, object]:
    """Measure ``users`` test users, always the same ones for the run's seed; processes that work together share them.

    Args:
        model: the row whose reasons are measured; the method's last stage if ``None``.
        beside: the row whose reasons they are held against.

    Returns:
        ``model``, ``beside``, ``users``; ``comprehensiveness`` and ``sufficiency`` by order (``loo``, ``random``, and
        ``ig`` where the row has inputs to differentiate); ``limits``, the mean comprehensiveness of the ``best`` and
        ``worst`` order that greedy searches found for each user; ``times_random``, how many times the comprehensiveness
        of ``loo`` is that of ``random``, ``None`` where that is not positive; ``verdict``, a sentence; ``normalised``,
        the two as shares of the way between the limits, over those ``users`` for whom the order makes a difference,
        ``None`` where these are fewer than two; ``tau`` by pair of methods; of the texts shown ``grounded_share``,
        ``invented_titles`` in each, ``written_share`` (by the language model), ``statement_precision`` (share of a
        text's statements that are as measured; ``None`` where fewer than two texts state any) and ``variety``, of the
        words between titles: different pairs among all, and the share of the commonest text; ``deletion_curve`` by
        order, the mean probability after k = 0.. removals; ``over_random``, by measure the paired differences to the
        random order. Every other figure is ``{"value", "low", "high"}`` with the ends of its 95 % interval.

    Raises:
        Cancelled: the monitor asked to stop.
        StudioError: not at least two users to measure, or the run has no such row.
    """
    test, config = models.split.test, models.config
    if users < 2 or len(test) < 2:
        raise StudioError("intervals need two users", where="users", remedy="measure more users")
    target = ExplanationTarget(model=model, beside=beside)
    row, other = target.rows(config)
    chosen = sample_users(len(test), users, config.seed)

    def ask(number: int, index: int) -> UserFigures:
        monitor.check()
        monitor.progress(STAGE, number * distributed.world_size(), len(chosen))
        user = models.dataset.user_ids[test.users[index]]
        return measure(explanandum_of_user(models, user, target), generator(config.seed, STAGE, user))

    figures = distributed.map_items(chosen.tolist(), ask)
    monitor.progress(STAGE, len(chosen), len(chosen))
    return {"model": row, "beside": other, **summary(figures, config.eval.bootstrap, config.seed)}


def summary(figures: Sequence[UserFigures], samples: int, seed: int) -> dict[str, object]:
    """The users' figures as means with intervals; see :func:`faithfulness`."""
    bootstrap = Bootstrap(len(figures), samples, seed)

    def mean(values: Sequence[float]) -> dict[str, float]:
        return interval(bootstrap.interval(np.array(values, np.float64)))

    orders = tuple(figures[0].curves)
    found = {
        measure: {name: mean([float(at(f, name).mean()) for f in figures]) for name in orders}
        for measure, at in MEASURES.items()
    }
    over_random = {
        measure: {
            name: mean([float((at(f, name) - at(f, "random")).mean()) for f in figures])
            for name in orders
            if name != "random"
        }
        for measure, at in MEASURES.items()
    }
    reached = {"best": mean([f.limits.high for f in figures]), "worst": mean([f.limits.low for f in figures])}
    own, random = (found["comprehensiveness"][name]["value"] for name in ("loo", "random"))
    return {
        "users": len(figures),
        **found,
        "limits": reached,
        "times_random": round(own / random, 3) if random > 0 else None,
        "verdict": trust_sentence(own, random, over_random["comprehensiveness"]["loo"], reached["best"]["value"]),
        "normalised": _normalised([f for f in figures if f.limits.apart], samples, seed),
        "tau": {pair: mean([f.tau[pair] for f in figures]) for pair in figures[0].tau},
        "grounded_share": mean([float(f.grounded) for f in figures]),
        "invented_titles": mean([float(f.invented) for f in figures]),
        "written_share": mean([float(f.written) for f in figures]),
        "statement_precision": _precision([f.precision for f in figures if f.precision is not None], samples, seed),
        "variety": {
            "distinct_2": round(distinct_2([f.skeleton for f in figures]), 6),
            "commonest_skeleton": round(commonest([f.skeleton for f in figures]), 6),
        },
        "deletion_curve": {name: _curve(figures, name, samples, seed) for name in orders},
        "over_random": over_random,
    }


def _normalised(figures: Sequence[UserFigures], samples: int, seed: int) -> dict[str, object] | None:
    if len(figures) < 2:
        return None
    bootstrap = Bootstrap(len(figures), samples, seed)
    shares = {name: [f.limits.normalised(f.curves[name]) for f in figures] for name in figures[0].curves}
    return {"users": len(figures)} | {
        measure: {
            name: interval(bootstrap.interval(np.array([share[measure] for share in shares[name]])))
            for name in figures[0].curves
        }
        for measure in MEASURES
    }


def _precision(shares: Sequence[float], samples: int, seed: int) -> dict[str, float] | None:
    return interval(Bootstrap(len(shares), samples, seed).interval(np.array(shares))) if len(shares) > 1 else None


def interval(found: Interval) -> dict[str, float]:
    """``{"value", "low", "high"}``, rounded."""
    return {name: round(value, 6) for name, value in found._asdict().items()}


def _curve(figures: Sequence[UserFigures], name: str, samples: int, seed: int) -> list[dict[str, float]]:
    """Mean p after k = 0..n removals, n being the shortest history of all, so that every point is of the same users."""
    n = min(len(f.curves[name].comprehensiveness) for f in figures)
    p = np.array([[f.full, *(f.full - f.curves[name].comprehensiveness[:n])] for f in figures])
    return [interval(found) for found in Bootstrap(len(figures), samples, seed).intervals(p)]
