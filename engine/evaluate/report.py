"""``metrics.json``: the documented schema. Reports of earlier versions lack what was added since and open all the same.

Intervals are 95 % percentile bootstrap intervals over the test users of one seed; those of differences are paired.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.config_base import FrozenModel
from engine.metrics.bootstrap import Interval
from engine.rows import RowKind

DECIMALS = 8


class Estimate(FrozenModel):
    """A mean over the test users and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, interval: Interval) -> Estimate:
        """Rounded beyond any meaning, so that the order of sums in the processor cannot change the bytes."""
        value, low, high = (round(number, DECIMALS) + 0.0 for number in interval)
        return cls(value=value, low=low, high=high)


class Measure(FrozenModel):
    """A property of recommended lists: a mean over users with its 95 % interval, or one figure of all lists."""

    value: float
    low: float | None = None
    """Empty where the figure is one of all lists together."""
    high: float | None = None
    users: int
    """Whose lists it is of: for the diversity those that name genres."""


class ModelResult(FrozenModel):
    """A row of the table."""

    name: str
    """popularity, markov, sasrec, gru4rec, caser, ensemble, llm-zero-shot, llm-distilled, delrec or delrec-plus."""
    kind: RowKind
    candidates: dict[str, Estimate]
    """HR@1, HR@5, HR@10, NDCG@5, NDCG@10 among the sampled candidates."""
    full: dict[str, Estimate]
    """The same in the full catalogue; LLM rows re-rank the teacher's best K, but those that read no list rank all."""
    agreement: dict[str, Estimate]
    """top-1, overlap@5 and kendall-tau with the teacher on the same candidates."""
    warm_candidates: dict[str, Estimate] = Field(default={})
    """With split=cold-items: the metrics of the true item, which is cold, among warm ones; ``candidates`` are all
    cold."""
    lists: dict[str, Measure] = Field(default={})
    """coverage@10, popularity@10, novelty@10, diversity@10, gini@10 of the best ten of the full catalogue; see
    ``docs/measures.md``."""


class Comparison(FrozenModel):
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


By = Literal["rarity", "history", "ties"]


class Slice(FrozenModel):
    """The figures of some of the test users, told apart by their question."""

    by: By
    """rarity: training interactions of the target; history: items before it; ties: whether its timestamp equals that of
    the item before it."""
    name: str
    """e.g. 1-4, 100+, untied."""
    users: int
    """Test users behind each figure here; with none there are no figures."""
    models: dict[str, dict[str, Estimate]]
    """By model, then by metric, e.g. candidates.HR@1."""
    differences: dict[str, dict[str, Estimate]]
    """Paired: every other model minus the teacher."""


class TeacherCheck(FrozenModel):
    """How a trained teacher did on the users that validated it."""

    name: str
    ndcg: float
    """NDCG@10 on the full catalogue."""
    popularity: float
    """The same of popularity."""

    @property
    def useless(self) -> bool:
        """Whether it is no better than popularity."""
        return self.ndcg <= self.popularity


class StageTime(FrozenModel):
    """Seconds that a stage took over all attempts."""

    name: str
    seconds: float


class ProtocolDetails(FrozenModel):
    """What the protocol's sentence says, field by field."""

    teacher: str
    """The teacher whose list the LLM rows re-rank and with which agreement is measured."""
    split: Literal["leave-one-out", "temporal", "cold-items"]
    cold_items: int | None = None
    """With split=cold-items: items that no model was trained on."""
    candidates: int
    negatives: Literal["uniform", "popularity"]
    history: int
    teacher_history: int
    plus_history: int | None = None
    """History items that DELRec-plus read in runs of earlier versions."""
    whole: tuple[str, ...] = ()
    """LLM rows that rank the whole catalogue, as teachers do."""
    priors: dict[str, float] = Field(default={})
    """What was taken off the likelihoods of titles by rows that rank by these: so many times those without history."""
    plus_whole: bool = False
    """In runs of earlier versions: DELRec-plus ranks the whole catalogue."""
    items: int
    """Size of the full catalogue."""
    full_top: int
    """Items of the teacher that LLM rows re-rank (K)."""
    ties: str
    users_available: int
    interval: str
    bootstrap: int

    @property
    def whole_rows(self) -> tuple[str, ...]:
        """LLM rows that rank the whole catalogue, in runs of earlier versions too."""
        return self.whole or (("delrec-plus",) if self.plus_whole else ())


class Report(FrozenModel):
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
    slices: list[Slice] = Field(default=[])
    teachers: list[TeacherCheck] = Field(default=[])
    """Of all trained teachers and their copies; empty in reports of earlier versions."""

    def model(self, name: str) -> ModelResult:
        """The row called ``name``; KeyError if there is none."""
        return {row.name: row for row in self.models}[name]

    @property
    def useless(self) -> list[str]:
        """Teachers that are no better than popularity on the validation users."""
        return [teacher.name for teacher in self.teachers if teacher.useless]
