"""Figures: data in, plotly figure out. Transparent grounds, so that they sit on light and dark pages alike.

Text and grid lines take the page's colours by its style sheet; only traces bring colours of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.curves import OBJECTIVE, POPULARITY, CurveName
from engine.labels import label
from engine.stages import STAGES
from jobs.records import Curve

PlotlyFigure = dict[str, Any]
"""``data`` and ``layout`` as plotly.js reads them. Plotly's own objects check every value of every point, which takes
longer than all else on a page of many lines; the tests have them check one figure of each kind."""

PALETTE = ("#2F7FC1", "#D9822B", "#12A07C", "#C065A0", "#4FB3E8", "#C9502B", "#A8961A")
"""After Okabe and Ito: told apart by people with any colour vision, and legible on white and on near-black."""

GREY = "#8A94A6"
CLEAR = "rgba(0,0,0,0)"
HEIGHT = 240
LONGEST_LABEL = 26
NAME = re.compile(r"(?<!\S)[a-z]\w*(\.[a-z]\w*)+=")
FEW_POINTS = 60
"""Curves with fewer points show each of them."""

WORDS = {"ta": "TA", "rps": "RPS", "lsr": "LSR", "lr": "learning rate"}
LOSS, WEIGHTS, VALIDATION, ACCURACY, RATE, RANKS = (
    "Loss",
    "Weights of the tasks",
    "Validation",
    "Validation accuracy",
    "Learning rate",
    "Mean AdaLoRA rank",
)
BRIEF = {stage.name: stage.brief for stage in STAGES if stage.brief}
ORDER = (LOSS, WEIGHTS, VALIDATION, ACCURACY, RATE, RANKS)
"""Titles of the panels that stages are known to fill; others follow."""
TITLES = {"loss": LOSS, "accuracy": ACCURACY, "weight": WEIGHTS, "lr": RATE, "rank": RANKS}
BOUNDS = {WEIGHTS: (0.0, 1.0), ACCURACY: (0.0, 1.0)}


@dataclass(frozen=True)
class Line:
    """A labelled series; of validation, its line is dashed and has the colour of the training line it belongs to."""

    label: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    validation: bool = False
    place: int | None = None
    """Which colour it has; by default that of its place among the labels."""


@dataclass(frozen=True)
class Panel:
    """One chart: lines that share an axis."""

    title: str
    lines: tuple[Line, ...]

    @property
    def mixed(self) -> bool:
        """Whether lines of training and of validation stand together."""
        return len({line.validation for line in self.lines}) > 1

    @property
    def heading(self) -> str:
        """The title with what the legend leaves out: the name of a single line, the meaning of dotted ones."""
        if self.mixed:
            return f"{self.title} (dotted: validation)"
        word = self.lines[0].label if len(self.lines) == 1 else ""
        return self.title if not word or word.lower() in self.title.lower() else f"{self.title}: {word}"


def panels(curves: Sequence[Curve]) -> list[Panel]:
    """How the curves of a stage are laid out; those of several teachers share their charts.

    Left out: the objective of stage 1 (minus the validation losses, which are drawn) and the rank of each single
    module where their mean is known.
    """
    several = len({curve.name.stage for curve in curves}) > 1
    popular = next((curve for curve in curves if curve.name.what == POPULARITY), None)
    averaged = any(curve.name.what == "rank" and not curve.name.of_module for curve in curves)
    found: dict[str, list[Line]] = {}
    for curve in curves:
        name = curve.name
        if name.what == OBJECTIVE or (averaged and name.of_module):
            continue
        if name.what == POPULARITY and curve is not popular:  # the same for all teachers
            continue
        title, word, validation = _place(name)
        if several and name.what != POPULARITY:
            word = f"{label(name.stage.partition(':')[2]) or 'teacher'} {word}"
        found.setdefault(title, []).append(Line(word, curve.steps, curve.values, validation))
    titles = [title for title in ORDER if title in found] + [title for title in found if title not in ORDER]
    return [Panel(title, tuple(sorted(found[title], key=_rank))) for title in titles]


def _rank(line: Line) -> tuple[bool, bool]:
    """Training before validation, TA before RPS; else the order in which they came."""
    return line.validation, line.label == "RPS"


def _place(name: CurveName) -> tuple[str, str, bool]:
    """Panel and label of a curve, and whether it is of validation beside training."""
    title = TITLES.get(name.what, VALIDATION if name.validation else name.what.capitalize())
    word = name.of or name.what
    return title, WORDS.get(word, word), name.validation and name.what == "loss"


def curve_title(name: CurveName) -> str:
    """What a curve is called where it stands alone, e.g. ``Stage 2 · Validation: NDCG@10``."""
    base, _, detail = name.stage.partition(":")
    title, word, validation = _place(name)
    where = f"{BRIEF.get(base, base)} {label(detail)}".rstrip()
    shown = title if not word or word.lower() in title.lower() else f"{title}: {word}"
    return f"{where} · {shown}{' (validation)' if validation else ''}"


def colour(place: int) -> str:
    """The colour of the run, or label, at this place of a choice."""
    return PALETTE[place % len(PALETTE)]


def line_figure(panel: Panel, *, unit: str, key: str, legend: bool = True) -> PlotlyFigure:
    """Lines of one panel over steps; ``key`` keeps zoom and hidden lines while a newer figure replaces this one."""
    traces = []
    labels = list(dict.fromkeys(line.label for line in panel.lines))
    for line in panel.lines:
        place = labels.index(line.label) if line.place is None else line.place
        dash = "dot" if line.validation else _dash(place)
        whole = f"{line.label} validation" if line.validation and panel.mixed else line.label
        traces.append(
            {
                "type": "scatter",
                "x": line.steps,
                "y": line.values,
                "name": brief(whole),
                "showlegend": not (line.validation and panel.mixed),
                "mode": "lines+markers" if len(line.steps) < FEW_POINTS else "lines",
                "line": {"width": 2, "color": colour(place), "dash": dash},
                "marker": {"size": 5},
                "hovertemplate": f"%{{y:.4g}}<extra>{plain(whole)}</extra>",
            }
        )
    bounds = BOUNDS.get(panel.title)
    yaxis = {"range": [bounds[0], bounds[1] + 0.02]} if bounds else {}
    several = legend and len(panel.lines) > 1
    return dress(traces, key, unit, legend=several, xaxis={"rangemode": "tozero"}, yaxis=yaxis)


@dataclass(frozen=True)
class ChartEstimate:
    """A labelled value with the ends of its interval."""

    label: str
    value: float
    low: float
    high: float
    place: int | None = None
    """Which colour it has where each has its own; by default that of its place among all."""


def interval_figure(groups: Mapping[str, Sequence[ChartEstimate]], metric: str, *, key: str) -> PlotlyFigure:
    """Values as dots with their intervals, one row per label, first on top.

    One colour per group, or that of each estimate's own place.
    """
    traces = []
    labels: list[str] = []
    for place, (name, estimates) in enumerate(groups.items()):
        rows = list(range(len(labels), len(labels) + len(estimates)))
        labels += [it.label for it in estimates]
        colours = [colour(place if it.place is None else it.place) for it in estimates]
        traces.append(
            {
                "type": "scatter",
                "x": [it.value for it in estimates],
                "y": rows,
                "text": [plain(it.label) for it in estimates],
                "name": plain(name),
                "mode": "markers",
                "marker": {"size": 10, "color": colours},
                "error_x": whiskers(estimates),
                "customdata": [[it.low, it.high] for it in estimates],
                "hovertemplate": "%{x:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]<extra>%{text}</extra>",
            }
        )
    names = {
        "range": [len(labels) - 0.5, -0.5],
        "tickvals": list(range(len(labels))),
        "ticktext": [brief(label) for label in labels],
        "automargin": True,
        "showgrid": False,
    }
    return dress(
        traces,
        key,
        metric,
        legend=len(groups) > 1,
        height=90 + 34 * len(labels),
        hovermode="closest",
        xaxis={"rangemode": "tozero", "showgrid": True, "gridcolor": GREY},
        yaxis=names,
    )


def cost_figure(points: Sequence[tuple[float, ChartEstimate]], metric: str, *, key: str) -> PlotlyFigure:
    """Quality against cost: seconds of each run with its estimate."""
    traces = []
    for number, (seconds, it) in enumerate(points):
        place = number if it.place is None else it.place
        traces.append(
            {
                "type": "scatter",
                "x": [seconds],
                "y": [it.value],
                "name": brief(it.label),
                "showlegend": False,
                "mode": "markers",
                "marker": {"size": 11, "color": colour(place)},
                "error_y": whiskers([it]),
                "hovertemplate": f"%{{x:.0f}} s, %{{y:.3f}}<extra>{plain(it.label)}</extra>",
            }
        )
    return dress(
        traces,
        key,
        "seconds of training and evaluation",
        legend=False,
        hovermode="closest",
        height=HEIGHT + 30,
        xaxis={"rangemode": "tozero"},
        yaxis={"title": titled(metric)},
    )


class HasBounds(Protocol):
    """A value with the ends of its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def whiskers(estimates: Sequence[HasBounds]) -> dict[str, object]:
    """Error bars of an axis."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [it.high - it.value for it in estimates],
        "arrayminus": [it.value - it.low for it in estimates],
        "thickness": 1.5,
        "width": 4,
        "color": GREY,
    }


def dress(traces: Sequence[Mapping[str, Any]], key: str, unit: str, *, legend: bool, **layout: Any) -> PlotlyFigure:
    """A figure of ``traces`` with what all figures share, but for what ``layout`` says.

    Args:
        key: keeps the zoom.
        unit: names the horizontal axis.
    """
    xaxis = {"zeroline": False, "showgrid": False, "linecolor": GREY, "title": titled(plain(unit), standoff=6)}
    yaxis = {"zeroline": False, "gridcolor": GREY, "gridwidth": 1, "nticks": 5, "exponentformat": "power"}
    shared = {
        "height": HEIGHT,
        "margin": {"l": 46, "r": 14, "t": 30 if legend else 12, "b": 40},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"size": 12, "color": GREY},
        "hovermode": "x unified",
        "uirevision": key,
        "showlegend": legend,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "bgcolor": CLEAR,
            "font": {"size": 11},
        },
    }
    axes = {"xaxis": xaxis | layout.pop("xaxis", {}), "yaxis": yaxis | layout.pop("yaxis", {})}
    return {"data": list(traces), "layout": shared | axes | layout}


def titled(text: str, **more: int) -> dict[str, Any]:
    """The title of an axis."""
    return {"text": text, "font": {"size": 11}, **more}


def _dash(place: int) -> str:
    """Beyond the palette's end, colours return with another dash."""
    return ("solid", "dash", "dot", "dashdot")[place // len(PALETTE) % 4]


def brief(text: str) -> str:
    """A label with room for a chart; hovering shows the whole one."""
    return plain(cut(text, LONGEST_LABEL))


def cut(text: str, longest: int) -> str:
    """A label of at most so many letters: of a variant first the names of settings go, which all variants share."""
    if len(text) > longest:
        text = NAME.sub("", text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def plain(text: str) -> str:
    """Plotly reads ``<b>`` and ``%{x}`` in labels: here names stay text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")
