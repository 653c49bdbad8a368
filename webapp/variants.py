"""The runs of an experiment by variant and seed, and the tables that are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.config import RunConfig
from engine.errors import StudioError
from engine.evaluate.paired import UserMetrics
from engine.evaluate.render import short, signed
from engine.experiment.plan import label_of, of_columns
from engine.experiment.statistics import TEST, Difference, SeedSpread, differences, spread
from engine.experiment.tables import Table
from engine.rows import method_row
from engine.setting_values import write
from engine.settings import flatten, stored_config
from jobs.experiments import ExperimentState
from jobs.records import Run
from webapp.formatting import STATES
from webapp.predictions import answers_of

METHOD = "method"
"""Stands for the row of each run's last stage of the paper's method, whichever that is."""
NOTE = (
    "mean over seeds ± standard deviation over seeds, with the 95 % interval over users"
    " (percentile bootstrap, users drawn with all their seeds)"
)


@dataclass
class VariantRuns:
    """One variant: runs that differ in nothing but the seed."""

    label: str
    place: int
    """Its number, and so its colour."""
    settings: dict[str, str]
    """Values of the settings that vary."""
    runs: dict[int, Run] = field(default_factory=dict)
    """By seed; of several with one seed, the last."""
    answers: dict[int, UserMetrics] = field(default_factory=dict)
    row: str = ""
    """The row of its runs' results that these are of."""

    @property
    def answered(self) -> list[Run]:
        """The runs of which its figures are the mean."""
        return [self.runs[seed] for seed in self.answers]


def group_runs(found: ExperimentState) -> list[VariantRuns]:
    """The variants in the order of the experiment."""
    configs = {run.id: stored_config(run.config) for run in found.runs}
    columns = of_columns(list(configs.values()))
    made: dict[RunConfig, VariantRuns] = {}
    for run in found.runs:
        config = configs[run.id]
        same = config.model_copy(update={"seed": 0})
        if same not in made:
            values = dict(flatten(config))
            shown = {name: values[name] for name in columns}
            label = found.labels[run.id] or label_of(shown)
            made[same] = VariantRuns(label, len(made), {name: write(value) for name, value in shown.items()})
        made[same].runs[run.seed] = run
    return list(made.values())


def run_names(variants: Sequence[VariantRuns]) -> dict[str, str]:
    """What runs are called by what they are, by id."""
    return {run.id: f"{group.label}, seed {seed}" for group in variants for seed, run in group.runs.items()}


def row_of(run: Run, model: str) -> str:
    """The row of a run's results that ``model`` means."""
    return method_row(stored_config(run.config)) if model == METHOD else model


def read_answers(variants: Sequence[VariantRuns], model: str) -> None:
    """Fill in what the model answered; runs that are not done or have no such row are left out."""
    for group in variants:
        group.answers = {}
        for seed, run in group.runs.items():
            group.row = row_of(run, model)
            if run.state == "done":
                try:
                    group.answers[seed] = answers_of(run, group.row)
                except StudioError:
                    continue


def spreads(variants: Sequence[VariantRuns], metrics: Sequence[str]) -> dict[tuple[int, str], SeedSpread]:
    """By variant's place and metric, of those with answers."""
    return {
        (group.place, metric): spread(group.answers, metric)
        for group in variants
        if group.answers
        for metric in metrics
    }


def against(variants: Sequence[VariantRuns], baseline: int, metric: str) -> dict[int, Difference | None]:
    """The difference of each variant to the one at this place."""
    known = {str(group.place): group.answers for group in variants if group.answers}
    if str(baseline) not in known:
        return {}
    return {int(place): it for place, it in differences(known, str(baseline), metric).items()}


def table(
    name: str,
    variants: Sequence[VariantRuns],
    figures: Mapping[tuple[int, str], SeedSpread],
    found: Mapping[int, Difference | None],
    metrics: Sequence[str],
    metric: str,
    baseline: VariantRuns,
) -> Table:
    """The results as text."""
    varied = list(variants[0].settings) if variants else []
    heads = ["variant", *varied, "seeds", *metrics]
    heads += [f"{metric} − {baseline.label}", "p", "p (Holm)"] if found else []
    rows = []
    for group in variants:
        cells: list[Any] = [group.label, *group.settings.values(), f"{len(group.answers)}/{len(group.runs)}"]
        cells += [spread_words(figures.get((group.place, it))) for it in metrics]
        if found:
            cells += difference_words(found.get(group.place), group is baseline)
        rows.append(cells)
    return Table(name, heads, rows, f"{NOTE}. {TEST}." if found else f"{NOTE}.")


def seed_table(name: str, variants: Sequence[VariantRuns], metric: str) -> Table:
    """One metric of every run as text, a column per seed."""
    seeds = sorted({seed for group in variants for seed in group.runs})
    rows = [[group.label, *(seed_words(group, seed, metric) for seed in seeds)] for group in variants]
    return Table(f"{name}: {metric}", ["variant", *(f"seed {seed}" for seed in seeds)], rows)


def seed_words(group: VariantRuns, seed: int, metric: str) -> str:
    """The metric of a variant's run, or how far that is."""
    if seed in group.answers:
        return short(float(group.answers[seed].metrics[metric].mean()))
    return STATES[group.runs[seed].state].lower() if seed in group.runs else "–"


def spread_words(it: SeedSpread | None) -> str:
    """``.500 ± .010 [.450, .550]``."""
    if it is None:
        return "–"
    deviation = "" if it.deviation is None else f" ± {short(it.deviation)}"
    return f"{short(it.mean)}{deviation} [{short(it.users.low)}, {short(it.users.high)}]"


def difference_words(it: Difference | None, baseline: bool) -> list[str]:
    """The difference with its interval, its p-value, and that corrected."""
    if baseline:
        return ["the baseline", "", ""]
    if it is None:
        return ["not paired", "", ""]
    ends = it.difference
    return [f"{signed(ends.value)} [{signed(ends.low)}, {signed(ends.high)}]", p_words(it.p), p_words(it.holm)]


def p_words(p: float) -> str:
    """``.012``, or ``< .001``."""
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"
