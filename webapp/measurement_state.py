"""Measurements of a whole run that take minutes: how far each is, and what a visitor may do about it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.default_row import chosen_row
from engine.errors import StudioError
from engine.falsify.record import NUMBERS, USERS, Falsification, read_falsification
from engine.rows import checked_row
from engine.run_folder import RunFolder
from engine.settings import make_config
from jobs import answers, api
from jobs.records import Explanation, Run


@dataclass(frozen=True)
class Measurement:
    """Something to measure, asked by a button."""

    kind: str
    """In :data:`jobs.requests.KINDS`, and ..."""
    name: str
    """... in the page's elements."""
    label: str
    waits: str
    """What stands where nothing is measured yet."""
    no_prompt: str = ""
    """What stands there for a run without a soft prompt, if it takes one."""
    repeat: bool = False
    """Whether it can be asked in another way once it is measured."""
    of_row: bool = False
    """Whether it is about one row of the results table, or about the run as a whole."""


PATTERN = Measurement(
    "pattern",
    "pattern",
    "Measure the pattern",
    "Not measured yet. A few minutes on two cores, beside whatever else runs.",
    "This run has no soft prompt, so nothing can have been distilled into it.",
    repeat=True,
)
TESTS = Measurement(
    "falsify",
    "tests",
    "Take the six tests",
    "Not taken yet. Two prompts to compare with are distilled first, each as long as stage 1 took; then "
    f"{USERS} users are asked some thirty prompts each, about twenty minutes on two cores with bf16.",
    "This run has no soft prompt to test.",
)
TRUST = Measurement(
    "faithfulness",
    "trust",
    "Measure the trust figures",
    "Not measured yet. About six minutes on two cores, beside whatever else runs.",
    of_row=True,
)
DRIVERS = Measurement(
    "drivers",
    "drivers",
    "Measure what drives each row",
    "Not measured yet. Up to a hundred test users, every row asked without each title of their histories: about five "
    "minutes on two cores, beside whatever else runs.",
)
MEASUREMENTS = (PATTERN, TESTS, TRUST, DRIVERS)


@dataclass(frozen=True)
class MeasurementState:
    """How far a measurement of a run is."""

    asked: Explanation | None
    """The question that is under way, or else the one that was asked last."""
    there: bool
    """Whether it is measured, here or from the shell."""
    wait: str
    """What to say where it is not, and nobody asked."""
    possible: bool
    """Whether this visitor may ask for it, of this run."""
    repeat: bool

    @property
    def state(self) -> Hashable:
        """Changes with what can be done."""
        return self.there, (self.asked.id, self.asked.state) if self.asked else None

    @property
    def progress(self) -> Hashable:
        """Changes with what is told while it is measured, too."""
        known = (self.asked and self.asked.partial) or {}
        return self.state, known.get("measuring"), known.get("done"), self.asked and self.asked.error

    @property
    def busy(self) -> bool:
        return self.asked is not None and not self.asked.settled

    @property
    def answer(self) -> Mapping[str, Any] | None:
        """What was measured, if the question was answered."""
        return self.asked.answer if self.asked and self.asked.state == "done" else None

    @property
    def outdated(self) -> bool:
        """Whether other code than this one measured it."""
        asked = self.asked
        return asked is not None and asked.state == "done" and asked.request != answers.stamped(asked.request)

    @property
    def due(self) -> bool:
        """Whether the visitor can ask for it now: what is measured is not measured again, what failed can be."""
        failed = self.asked is not None and self.asked.state == "failed"
        return self.possible and not self.busy and (not self.there or self.repeat or failed or self.outdated)

    @property
    def stoppable(self) -> bool:
        return self.possible and self.busy


@dataclass(frozen=True)
class MeasurementsView:
    """What one look at the database, and at the run's folder, gives."""

    run: Run
    row: str
    """The row of the results table that the address names, or else the default one."""
    asked: Mapping[str, Explanation]
    """The latest question of each kind, about this row where it is about one."""
    tests: Falsification | None
    """Taken here or by ``delrec falsify``."""
    tests_fault: str
    """What is wrong with the record of them, if anything is: they can be taken again."""
    read_only: bool

    @property
    def prompted(self) -> bool:
        """Whether the run has a soft prompt at all."""
        return bool(self.run.config["distill"]["prompt"] != "none")

    @property
    def pending(self) -> bool:
        return any(not asked.settled for asked in self.asked.values())

    @property
    def tests_left(self) -> list[int]:
        """Tests that were not taken of those users of whom others were."""
        taken = {finding.number for finding in self.tests.findings} if self.tests else set()
        return [number for number in NUMBERS if number not in taken]

    def tests_request(self) -> dict[str, Any]:
        """What to ask, so that nothing is lost: the tests that are left of the users who were asked, or all again."""
        if self.tests is None:
            return {}
        return {"users": self.tests.users, "tests": self.tests.left(NUMBERS) or list(NUMBERS)}

    def standing(self, what: Measurement) -> MeasurementState:
        """How far a measurement is."""
        asked = self.asked.get(what.kind)
        if what is TESTS and asked is not None and asked.state == "done" and (self.tests or self.tests_fault):
            # What the shell found since then took the place of this answer, or the record of it was lost.
            asked = asked if self.tests and asked.answer == self.tests.model_dump(mode="json") else None
        there = not self.tests_left if what is TESTS else asked is not None and asked.state == "done"
        possible = self.prompted or not what.no_prompt
        waits = what.waits
        if what is TESTS and self.tests is not None:
            waits = f"Not taken of these users: {', '.join(map(str, self.tests_left))}."
        if what is TESTS and self.tests_fault:
            waits = self.tests_fault
        return MeasurementState(
            asked=asked,
            there=there,
            wait=waits if possible else what.no_prompt,
            possible=possible and not self.read_only,
            repeat=what.repeat,
        )


def named_run(query: Mapping[str, str]) -> str:
    """The run in an address.

    Raises:
        StudioError: there is none.
    """
    if not query.get("run"):
        raise StudioError("the address names no run", remedy="choose one from the list of runs")
    return query["run"]


def load(query: Mapping[str, str], *, read_only: bool) -> MeasurementsView:
    """What is known of a finished run.

    Raises:
        StudioError: the address names none, or a row that the run has not.
    """
    run = api.status(named_run(query))
    if run.state != "done":
        raise StudioError(f"{run.name} is {run.state}", remedy="a run's pattern can be measured once it is done")
    row = _row(run, query.get("model", ""))
    tests, fault = None, ""
    try:
        tests = read_falsification(RunFolder(run.folder))
    except StudioError as error:
        fault = str(error)
    return MeasurementsView(run, row, _latest(run, row), tests, fault, read_only)


def ask(what: Measurement, query: Mapping[str, str], prompt_of: str | None = None) -> None:
    """Have it measured, unless it is already.

    Args:
        query: names run and row, as for :func:`load`.
        prompt_of: a run whose soft prompt is measured too, with the pattern.

    Raises:
        StudioError: the run is not done, or has no such row.
    """
    request: dict[str, Any] = {"prompt_of": [prompt_of]} if prompt_of else {}
    seen = load(query, read_only=False)
    if what is TESTS:
        request = seen.tests_request()
    if what.of_row and seen.row != _row(seen.run, ""):  # the shell asks just so, and shares the answer
        request["model"] = seen.row
    api.ask(what.kind, seen.run.id, request, again=what is TESTS and bool(seen.tests_fault))


def stop(what: Measurement, query: Mapping[str, str]) -> None:
    """Ask nobody to measure it any more."""
    asked = load(query, read_only=False).asked.get(what.kind)
    if asked is not None:
        api.stop_answer(asked.id)


def _row(run: Run, named: str) -> str:
    """The row of this name, or else the default one."""
    return checked_row(make_config(run.config), named) if named else chosen_row(RunFolder(run.folder)).row


def _latest(run: Run, row: str) -> dict[str, Explanation]:
    latest: dict[str, Explanation] = {}
    default = _row(run, "")
    for what in MEASUREMENTS:
        for asked in api.explanations(run.id, what.kind):  # by kind: answers about single users are many, and large
            if what.of_row and asked.request.get("model", default) != row:
                continue
            known = latest.get(what.kind)
            if known is None or known.settled or not asked.settled:
                latest[what.kind] = asked
    return latest
