"""What the falsification tests found: figures, claims with a verdict each, and the record of them all.

A verdict is fixed by an interval and a margin, both chosen before anything was measured, so that three things can be
told apart: the claim holds, it does not, or so few users cannot tell.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
from pydantic import ValidationError

from engine.config_base import FrozenModel
from engine.evaluate.render import signed
from engine.evaluate.report import DECIMALS
from engine.metrics.bootstrap import Bootstrap, Interval
from engine.run_folder import RunFolder

FILE = "falsification.json"
NUMBERS = range(1, 7)
"""Of the tests."""
COMPARING = frozenset({1, 2})
"""Tests that depend on the controls: on their prompts, or on which the other teacher is."""
USERS = 300
"""Test users asked, unless told otherwise."""

Verdict = Literal["passed", "failed", "not decided"]
WORST_FIRST: tuple[Verdict, ...] = ("failed", "not decided", "passed")

SMALLEST = 0.02
"""A gain or loss below this does not count: a claim of one fails where the interval ends below it."""
MARGIN = 0.05
"""What must not matter may move a figure by so much at most, to either side."""

RULE_OF_THREE = 3.0
"""What none of n users does may still be done by 3/n of all (95 %): too few users cannot show that nothing happens."""


class Figure(FrozenModel):
    """A mean over users with its 95 % interval."""

    name: str
    measure: str
    """HR@1, NDCG@5, accuracy, top-1, overlap@5, kendall-tau, rank or sd of the rank."""
    value: float
    low: float
    high: float


class Claim(Figure):
    """A paired difference of which something is claimed."""

    wanted: Literal["above zero", "near zero"]
    verdict: Verdict
    deciding: bool
    """Whether the test's verdict hangs on it."""


class Finding(FrozenModel):
    """One test."""

    number: int
    title: str
    question: str
    verdict: Verdict
    because: str
    """The deciding claims in words."""
    figures: list[Figure]
    claims: list[Claim]


class Falsification(FrozenModel):
    """The object in ``falsification.json``."""

    run_id: str
    dataset: str
    teacher: str
    users: int
    """Test users asked, always the same ones for the run's seed."""
    users_available: int
    seed: int
    candidates: int
    rules: str
    """How verdicts come about."""
    controls: dict[str, str]
    """Prompts beside the run's own, with where each comes from."""
    findings: list[Finding]

    def left(self, tests: Collection[int]) -> list[int]:
        """Those of the ``tests`` that were not taken, or without both prompts that are distilled to compare with."""
        compared = len(self.controls) > 1
        taken = {finding.number for finding in self.findings if compared or finding.number not in COMPARING}
        return sorted(set(tests) - taken)

    def covers(self, users: int, tests: Collection[int]) -> bool:
        """Whether none of the ``tests`` is :meth:`left` to take of as many users."""
        return self.users == min(users, self.users_available) and not self.left(tests)

    def only(self, tests: Collection[int]) -> Falsification:
        """The same with these tests alone."""
        return self.model_copy(update={"findings": [it for it in self.findings if it.number in tests]})


def read_falsification(run: RunFolder) -> Falsification | None:
    """What the tests of a run left; ``None`` if none was taken, or another version wrote it.

    Raises:
        StudioError: the file is gone, or another than they left.
    """
    try:
        return Falsification.model_validate_json(run.files.checked(run.path / FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


RULES = (
    "95 % percentile bootstrap intervals over users, differences paired. A claim that something is above zero passes "
    f"where the interval lies above zero and fails where it ends below {SMALLEST}; a claim that something is near zero "
    f"passes where the interval lies within ±{MARGIN} and fails where it lies outside; else it is not decided. That "
    f"nothing happens takes {RULE_OF_THREE / SMALLEST:.0f} and {RULE_OF_THREE / MARGIN:.0f} users to say. A test has "
    "the worst verdict of the claims that decide it."
)


def rises(interval: Interval, users: int) -> Verdict:
    """The verdict on the claim that something is above zero."""
    if interval.low > 0:
        return "passed"
    nothing = interval.high < SMALLEST and RULE_OF_THREE / users <= SMALLEST
    return "failed" if nothing or interval.high < 0 else "not decided"


def stays(interval: Interval, users: int) -> Verdict:
    """The verdict on the claim that something is near zero."""
    if interval.low > -MARGIN and interval.high < MARGIN and RULE_OF_THREE / users <= MARGIN:
        return "passed"
    return "failed" if interval.low >= MARGIN or interval.high <= -MARGIN else "not decided"


class FindingBuilder:
    """Collects the figures and claims of one test.

    Args:
        samples: of the bootstrap.
        seed: of the bootstrap.
    """

    def __init__(self, samples: int, seed: int) -> None:
        self.samples, self.seed = samples, seed
        self.figures: list[Figure] = []
        self.claims: list[Claim] = []

    def figure(self, name: str, measure: str, values: np.ndarray) -> None:
        """A mean of ``values [users]``."""
        self.figures.append(Figure(name=name, measure=measure, **_ends(self._interval(values))))

    def rises(self, name: str, measure: str, differences: np.ndarray, *, deciding: bool = False) -> None:
        """The claim that the mean of ``differences [users]`` is above zero."""
        interval = self._interval(differences)
        self._claim(name, measure, interval, "above zero", rises(interval, len(differences)), deciding)

    def stays(self, name: str, measure: str, differences: np.ndarray, *, deciding: bool = False) -> None:
        """The claim that the mean of ``differences [users]`` is near zero."""
        interval = self._interval(differences)
        self._claim(name, measure, interval, "near zero", stays(interval, len(differences)), deciding)

    def finding(self, number: int, title: str, question: str, missing: str = "") -> Finding:
        """The test's result; ``missing`` says what kept it from being decided, if anything did."""
        deciding = [claim for claim in self.claims if claim.deciding]
        found: set[Verdict] = {claim.verdict for claim in deciding}
        if missing or not deciding:
            found.add("not decided")
        return Finding(
            number=number,
            title=title,
            question=question,
            verdict=next(verdict for verdict in WORST_FIRST if verdict in found),
            because="; ".join([*map(claim_line, deciding), *([missing] if missing else [])]),
            figures=self.figures,
            claims=self.claims,
        )

    def _interval(self, values: np.ndarray) -> Interval:
        return Bootstrap(len(values), self.samples, self.seed).interval(values)

    def _claim(
        self,
        name: str,
        measure: str,
        interval: Interval,
        wanted: Literal["above zero", "near zero"],
        verdict: Verdict,
        deciding: bool,
    ) -> None:
        ends = _ends(interval)
        self.claims.append(Claim(name=name, measure=measure, wanted=wanted, verdict=verdict, deciding=deciding, **ends))


def claim_line(claim: Claim) -> str:
    """A claim in one line."""
    return f"{claim.name}: {claim.measure} {difference(claim)}, {claim.verdict}"


def difference(claim: Claim) -> str:
    """``+.016 [-.002, +.034]``."""
    return f"{signed(claim.value)} [{signed(claim.low)}, {signed(claim.high)}]"


def _ends(interval: Interval) -> dict[str, float]:
    value, low, high = (round(number, DECIMALS) + 0.0 for number in interval)
    return {"value": value, "low": low, "high": high}
