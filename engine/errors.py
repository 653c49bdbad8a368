"""The one exception that users see: what is wrong, where, and how to mend it."""

from __future__ import annotations


class StudioError(Exception):
    """Bad input or a missing resource, told in one line.

    ``what`` names the fault, ``where`` the setting, file or title, ``remedy`` what to do about it.
    The shell prints ``str(error)`` and exits with code 2; pages show the same sentence.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        mend = f" — {self.remedy}" if self.remedy else ""
        return " ".join(f"{self.what}{place}{mend}".split())


class Cancelled(Exception):
    """Raised inside a stage, after its checkpoint is written, when the monitor asks to stop."""


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line; the name of its type if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
