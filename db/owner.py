"""Which process: written down by whoever works on something, so that others can tell whether it still lives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """A process: number, start and machine, so that a number that was given out again is noticed."""

    pid: int
    started: float
    """Seconds since the start of the machine where ``boot`` tells it, else since 1970, by the clock as it was then."""
    host: str
    boot: str = ""
    """The start of the machine, and the namespace of process numbers, that ``pid`` and ``started`` belong to.

    Unlike the clock it never moves. Empty where the system does not tell it, and in rows of older versions."""
