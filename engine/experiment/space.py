"""What a search may choose from: ranges of numbers and lists of values, as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from engine.errors import StudioError
from engine.experiment.parsing import name_and_text, varied
from engine.fields import Setting
from engine.setting_values import write
from engine.settings import setting_of

if TYPE_CHECKING:
    import numpy as np

LOG_FROM = 10
"""Ranges whose ends are so many times apart are searched by their logarithm."""
DIGITS = 4
"""Of a number that is drawn: more would only be hard to read."""
RANGE = re.compile(r"\s*([^,\s]*?)\s*\.\.\s*([^,\s]*)\s*")
WORDS = re.compile(r"\s*\w[^,/\\]*\w\.\.\w[^,/\\]*")
REMEDY = "write NAME=LOW..HIGH, e.g. finetune.lr=1e-4..1e-2, or NAME=VALUE,VALUE"


class Range(BaseModel):
    """Numbers from ``low`` to ``high``, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float
    high: int | float

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int)

    @property
    def log(self) -> bool:
        """Whether a factor counts the same everywhere, as with learning rates."""
        return self.low > 0 and self.high / self.low >= LOG_FROM

    def near(self, value: float) -> int | float:
        """A number in the range that is written in few digits."""
        shown = round(value) if self.whole else float(f"{value:.{DIGITS}g}")
        return min(max(shown, self.low), self.high)

    def draw(self, random: np.random.Generator) -> int | float:
        """Any of them, by the logarithm where that is due."""
        ends = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = float(random.uniform(*ends))
        return self.near(math.exp(value) if self.log else value)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{write(self.low)} to {write(self.high)}" + (", by its logarithm" if self.log else "")


Domain = Range | list[Any]


def read_space(lines: Iterable[str]) -> dict[str, Domain]:
    """What was written behind ``--vary``, by setting.

    Raises:
        StudioError: no such setting, a range of something that is no number, or nothing to choose from.
    """
    space: dict[str, Domain] = {}
    for line in lines:
        name, text = name_and_text(line, REMEDY)
        setting = setting_of(name)
        if name in space:
            raise StudioError("it is varied twice", where=name, remedy="say all its values in one list, or one range")
        space[name] = _choice(setting, text)
    if not space:
        raise StudioError("nothing is searched over", where="--vary", remedy=REMEDY)
    return space


def firsts(choices: Mapping[str, Domain]) -> dict[str, Any]:
    """The first value of each list, the lower end of each range: what a base is checked with that lacks them."""
    return {name: it.low if isinstance(it, Range) else it[0] for name, it in choices.items() if it}


def _choice(setting: Setting, text: str) -> Domain:
    if not text.strip():
        raise StudioError("there is no value to choose from", where=setting.name, remedy=REMEDY)
    if setting.kind in ("number", "whole"):
        if found := RANGE.fullmatch(text):
            return _range(setting, *found.groups())
        if ".." in text:
            raise StudioError(f"{text.strip()!r} is neither a range nor a list", where=setting.name, remedy=REMEDY)
    elif WORDS.fullmatch(text):
        values = ",".join(setting.choices) or ("true,false" if setting.kind == "switch" else "VALUE,VALUE")
        remedy = f"list the values: {setting.name}={values}"
        raise StudioError("a range is for settings that are numbers", where=setting.name, remedy=remedy)
    return varied(f"{setting.name}={text}")[1]


def _range(setting: Setting, low: str, high: str) -> Range:
    kind = int if setting.kind == "whole" else float
    try:
        ends = kind(low), kind(high)
    except ValueError:
        ends = (math.nan, math.nan)
    if not all(math.isfinite(end) for end in ends):
        what = f"'{low}..{high}' is no range of {'whole ' * (kind is int)}numbers"
        raise StudioError(what, where=setting.name, remedy=REMEDY)
    if ends[0] >= ends[1]:
        what = f"the range from {low} to {high} has nothing in it to choose from"
        raise StudioError(what, where=setting.name, remedy="write the smaller end first, and two different ones")
    return Range(low=ends[0], high=ends[1])
