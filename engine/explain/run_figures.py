"""What measurements of a whole run give, as they are stored: read back by these models, whatever was left there.

Figures of :func:`engine.explain.pattern.pattern`, :func:`engine.explain.faithfulness.faithfulness` and
:func:`engine.explain.drivers.drivers`, which say what each is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from engine.evaluate.report import Estimate
from engine.explain.measured_evidence import Part
from engine.explain.verdict import AFTER, NONE, OTHERS, OWN, RANDOM, VerdictKind


class DistillationSaid(Part):
    kind: VerdictKind
    sentence: str
    details: tuple[str, ...]


class AgreementFigures(Part):
    """By one measure, of one ranker."""

    figure: Estimate
    difference: Estimate
    own_lead: Estimate


class Agreement(Part):
    top_1: AgreementFigures = Field(alias="top-1")
    overlap: AgreementFigures = Field(alias="overlap@5")
    kendall_tau: AgreementFigures = Field(alias="kendall-tau")


class AdapterRanks(Part):
    init_r: int
    target_r: int


class NearTitle(Part):
    token: str
    cosine: float


class SoftTokens(Part):
    nearest: tuple[tuple[NearTitle, ...], ...]
    warning: str


class OtherPrompt(Part):
    """A run whose prompt was tried too."""

    id: str
    name: str
    teacher: str


class TaskPoint(Part):
    step: int
    value: float


class PatternFigures(Part):
    run_id: str
    teacher: str
    prompt: str
    users: int
    candidates: int
    effect_users: int
    verdict: DistillationSaid
    agreement: dict[str, Agreement]
    effects: dict[str, Estimate]
    recency: dict[str, tuple[Estimate, ...]]
    ranks: dict[str, int] | None
    rank_bounds: AdapterRanks
    tokens: SoftTokens
    others: tuple[OtherPrompt, ...]
    tasks: dict[str, tuple[TaskPoint, ...]]

    @model_validator(mode="after")
    def _named(self) -> Self:
        """Readers call each state of the language model by its name, and hold the others against the run's own."""
        states = {NONE, RANDOM, OWN, AFTER, *(f"{OTHERS}{run.id}" for run in self.others)}
        _within("effects", self.effects, states)
        _within("recency", self.recency, {"teacher", *states})
        _within("agreement", self.effects, self.agreement)
        return self


class Orders(Part):
    """By order of removal."""

    loo: Estimate
    ig: Estimate | None = None
    """Of rows with inputs to differentiate."""
    random: Estimate


class OverRandom(Part):
    loo: Estimate
    ig: Estimate | None = None


class Measures(Part):
    comprehensiveness: Orders
    sufficiency: Orders


class Normalised(Measures):
    users: int


class Gains(Part):
    comprehensiveness: OverRandom
    sufficiency: OverRandom


class ReachedLimits(Part):
    best: Estimate
    worst: Estimate


class TextVariety(Part):
    distinct_2: float
    commonest_skeleton: float


class DeletionCurves(Part):
    loo: tuple[Estimate, ...]
    ig: tuple[Estimate, ...] | None = None
    random: tuple[Estimate, ...]


class TrustFigures(Measures):
    run_id: str
    model: str
    beside: str
    users: int
    limits: ReachedLimits
    times_random: float | None
    verdict: str
    normalised: Normalised | None
    tau: dict[str, Estimate]
    grounded_share: Estimate
    invented_titles: Estimate
    written_share: Estimate
    statement_precision: Estimate | None
    variety: TextVariety
    deletion_curve: DeletionCurves
    over_random: Gains

    @model_validator(mode="after")
    def _same_orders(self) -> Self:
        """What was measured for one order was for all figures."""
        sides = [it for it in (self, self.normalised, self.over_random) if it]
        found: list[Orders | OverRandom | DeletionCurves] = [self.deletion_curve]
        found += [by_order for it in sides for by_order in (it.comprehensiveness, it.sufficiency)]
        if len({it.ig is None for it in found}) > 1:
            raise ValueError("figures of some orders of removal are missing")
        return self


class Kind(Part):
    """A kind of reasons."""

    words: str
    meaning: str


class ShareOfKind(Part):
    share: Estimate


class KindFigures(ShareOfKind):
    control: Estimate
    difference: Estimate


class RowDrivers(Part):
    users: int
    sentence: str
    kinds: dict[str, KindFigures] | None


class StageChange(Part):
    before: str
    after: str
    stage: str
    same_top: Estimate
    right: Estimate
    place: Estimate
    gained: int
    lost: int
    users: int
    kinds: dict[str, ShareOfKind] | None


class DriversMeasured(Part):
    run_id: str
    users: int
    kinds: dict[str, Kind]
    lacks: tuple[str, ...]
    rows: dict[str, RowDrivers]
    stages: tuple[StageChange, ...]

    @model_validator(mode="after")
    def _all_kinds(self) -> Self:
        told = [*(row.kinds for row in self.rows.values()), *(change.kinds for change in self.stages)]
        for kinds in told:
            if kinds is not None:
                _within("kinds", self.kinds, kinds)
        return self


def _within(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{what}: {unknown[0]!r} is not known")
