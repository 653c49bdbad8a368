"""The rows of a run's results table, described once: all that follows of them from the settings. Light to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.config import RunConfig
from engine.errors import StudioError
from engine.labels import label
from engine.stages import other_teachers, stage_rows, trained_teachers

RowKind = Literal["baseline", "teacher", "llm"]
KINDS: tuple[RowKind, ...] = ("baseline", "teacher", "llm")
"""In the order of the table."""


BASELINES = ("popularity", "markov")
"""Those that count."""
TEXT = "text"
"""The text recommender of DELRec-plus on its own, called as its stage is."""


def _always(_: RunConfig) -> bool:
    return True


def _likelihood(config: RunConfig) -> bool:
    return config.llm.verbalizer == "title-likelihood"


@dataclass(frozen=True)
class RowSpec:
    """A row that a language model answers, or has a part in.

    Args:
        enabled: whether the run has what it takes.
        soft_prompt, adapter: whether it is answered with these.
        likelihood: whether it ranks by likelihoods of titles.
        mixed: whether it is a sum of other rows.
        against: rows with which it is compared, beside the teacher.
    """

    name: str
    enabled: Callable[[RunConfig], bool] = _always
    soft_prompt: bool = True
    adapter: bool = False
    likelihood: Callable[[RunConfig], bool] = _likelihood
    mixed: bool = False
    against: tuple[str, ...] = ()


LLM_ROWS = (
    RowSpec(
        "llm-zero-shot",
        soft_prompt=False,
        # In the sequence form it has learned no other way to answer.
        likelihood=lambda config: _likelihood(config) or config.llm.prompts == "sequence",
    ),
    RowSpec("llm-distilled", enabled=lambda config: config.distill.prompt != "none"),
    RowSpec(
        "delrec",
        enabled=lambda config: config.finetune.enabled,
        adapter=True,
        against=("llm-zero-shot", "llm-distilled", TEXT),
    ),
    RowSpec(
        "delrec-plus",
        enabled=lambda config: config.plus.enabled,
        likelihood=lambda _: False,
        mixed=True,
        against=("delrec", "ensemble", TEXT),
    ),
)
"""In the order of the stages behind them: the last one that is there answers for the run."""


def llm_rows(config: RunConfig) -> list[RowSpec]:
    """Those of a run's table."""
    return [row for row in LLM_ROWS if row.enabled(config) and row.name in config.eval.llm_rows]


def table_rows(config: RunConfig) -> dict[str, RowKind]:
    """All rows of the results table in order, with their kinds."""
    rows: dict[str, RowKind] = {**dict.fromkeys(BASELINES, "baseline"), config.teacher.name: "teacher"}
    rows |= dict.fromkeys(other_teachers(config), "teacher")
    if len(trained_teachers(config)) > 1:
        rows["ensemble"] = "teacher"
    rows |= dict.fromkeys(stage_rows(config), "teacher")
    return rows | {row.name: "llm" for row in llm_rows(config)}


def likelihood_rows(config: RunConfig) -> list[str]:
    """The rows that rank by likelihoods of titles."""
    return [row.name for row in llm_rows(config) if row.likelihood(config)]


def fitted_rows(config: RunConfig) -> list[str]:
    """Those of them for which validation users say how much a title's own likelihood counts (``calibration.json``)."""
    return likelihood_rows(config) if config.llm.prior is None else []


def full_catalogue_rows(config: RunConfig) -> set[str]:
    """LLM rows that rank the whole catalogue themselves, instead of re-ranking the teacher's list."""
    return {row.name for row in llm_rows(config)} if config.llm.prompts == "sequence" else set()


def last_row(config: RunConfig) -> str:
    """The row that answers for the run as a whole: that of its last stage."""
    return next(row.name for row in reversed(LLM_ROWS) if row.enabled(config))


def method_row(config: RunConfig) -> str:
    """The row of the last stage of the paper's method."""
    return next(row.name for row in reversed(LLM_ROWS) if row.enabled(config) and not row.mixed)


def row_spec(name: str) -> RowSpec:
    """The LLM row of that name.

    Raises:
        KeyError: there is none.
    """
    return {row.name: row for row in LLM_ROWS}[name]


def all_rows(config: RunConfig) -> dict[str, RowKind]:
    """Every row that a run can answer, whether its table shows it or not, in the order of the table."""
    shown = table_rows(config)
    rows: dict[str, RowKind] = {name: kind for name, kind in shown.items() if kind != "llm"}
    return rows | {row.name: "llm" for row in LLM_ROWS if row.enabled(config)}


def checked_row(config: RunConfig, text: str, where: str = "model") -> str:
    """The row that is meant by its name, or by what people read for it.

    Raises:
        StudioError: the run has no such row.
    """
    rows = all_rows(config)
    meant = text.strip().casefold()
    for row in rows:
        if meant in (row, label(row).casefold()):
            return row
    raise StudioError(f"the run has no row {text[:80]!r}", where=where, remedy=f"choose from {', '.join(rows)}")


def comparison_row(config: RunConfig, row: str) -> str:
    """Whose reasons stand beside those of ``row`` where nobody else is asked for: the teacher's; beside the teacher
    itself, those of the method that learned from it."""
    return method_row(config) if row == config.teacher.name else config.teacher.name
