"""Whom the tour shows: users for whom a run's shown row is right, with reasons that are seen to carry it, and one for
whom it is wrong. Which reasons are clear is only known once they are measured, so some users are tried."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from engine.evaluate.user_groups import UserGroup
from engine.explain.report import ExplanationReport
from webapp.inspect.question import WORDS, Question
from webapp.inspect.session import FIRST, QuestionState, advance, load
from webapp.inspect.subjects import Subjects

STEPS = 5
GROUPS: Mapping[int, tuple[UserGroup, ...]] = {
    2: ("both", "only-model"),
    3: ("only-model", "both"),
    4: ("only-teacher", "none"),
}
"""Whom each step with a user is about; another group where the run has no such user."""
WRONG = 4
"""The step whose user the row is wrong about."""
TRIED = 4
"""Users of a group who are asked for clear reasons at most."""
PARTS = (FIRST, "effects", "counterfactual", WORDS, "stability")


@dataclass(frozen=True)
class Stop:
    """The user of one step."""

    question: Question | None
    """``None`` where the run has no such user."""
    settled: bool = True
    """Whether it is this user; else she is being asked for clear reasons."""
    tried: int = 0
    """Users asked before her, whose reasons were not clear."""

    def parts(self) -> tuple[str, ...]:
        """What is to be measured."""
        return PARTS if self.settled else (FIRST,)


def stops(subjects: Subjects) -> dict[int, Stop]:
    """The users of all steps, as far as is known which they are; none comes twice."""
    found: dict[int, Stop] = {}
    for step in GROUPS:
        taken = {stop.question.user for stop in found.values() if stop.question}
        found[step] = _stop(list(_candidates(subjects, step, taken)), settle=step == WRONG)
    return found


def _candidates(subjects: Subjects, step: int, taken: Collection[str]) -> Iterator[Question]:
    """Users for a step, the clearest cases first, all of the first group that has any."""
    for group in GROUPS[step]:
        users = [subjects.user_at(int(place)) for place in subjects.groups()[group][: TRIED + len(taken)]]
        if users := [user for user in users if user not in taken][:TRIED]:
            yield from (Question(subjects.run.id, user, group=group) for user in users)
            return


def _stop(candidates: list[Question], *, settle: bool) -> Stop:
    """The first whose recommendation was seen to fall without its reasons, or else the first of all."""
    if settle or not candidates:
        return Stop(candidates[0] if candidates else None)
    for number, question in enumerate(candidates):
        standing = load(question, (FIRST,))
        if standing.pending:
            return Stop(question, settled=False, tried=number)
        if standing.answer is not None and clear(standing.answer):
            return Stop(question, tried=number)
    return Stop(candidates[0], tried=len(candidates))


def clear(answer: ExplanationReport) -> bool:
    """Whether the recommendation was seen to fall without the titles that are told as its reasons."""
    found = answer.summary.evidence.necessity if answer.summary else None
    return found is not None and found.rank_after > found.rank_before


def measured(stop: Stop, *, again: bool = False) -> QuestionState:
    """How far a step's user is; what is due is asked for."""
    return advance(stop.question, stop.parts(), again=again) if stop.question else QuestionState(())
