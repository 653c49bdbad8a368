"""A published table of data sets: what they are, how counts and teachers do on each, and for how rare targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.evaluate.render import figure_cell
from engine.evaluate.report import Estimate
from engine.labels import label
from engine.published.record import PublishedExperiment, PublishedRecord, PublishedTable, mean

BY_RARITY = "full.NDCG@10"


def markdown(record: PublishedRecord, table: PublishedTable) -> str:
    """Three tables, then how they were made; data sets that were not run yet are named."""
    done = {name: record.experiments[name] for name in table.data if record.experiments[name].runs}
    missing = [name for name in table.data if name not in done]
    lines = [f"Not yet run: {', '.join(missing)}.", ""] if missing else []
    if done:
        experiments = list(done.values())
        lines += [*_data(experiments), "", *_models(experiments, table.columns), "", *_rarity(experiments), ""]
        lines += _about(experiments)
    return "\n".join(lines).rstrip()


def _data(experiments: Sequence[PublishedExperiment]) -> Iterator[str]:
    """What the data are, and what a run took."""
    yield "| | users | items | interactions | density | rare targets | minutes of training | of evaluation | memory |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for experiment in experiments:
        facts = [run.data for run in experiment.runs if run.data]
        first = facts[0]
        trained = [sum(s for stage, s in it.seconds.items() if stage.startswith("teacher")) / 60 for it in facts]
        tested = [it.seconds["evaluate"] / 60 for it in facts]
        yield (
            f"| {experiment.title} | {first.users:,} | {first.items:,} | {first.interactions:,} | {first.density:.3%} "
            f"| {first.rare_targets:.1%} | {_each(trained)} | {_each(tested)} "
            f"| {max(it.memory_mb for it in facts) / 1000:.1f} GB |"
        )


def _models(experiments: Sequence[PublishedExperiment], columns: Sequence[str]) -> Iterator[str]:
    """Every model on every data set."""
    heads = [column.replace(".", ", ").replace("candidates, ", "sampled, ") for column in columns]
    yield f"| | | {' | '.join(heads)} |"
    yield f"|---|---|{'---|' * len(heads)}"
    for experiment in experiments:
        rows = {model: experiment.means(model) for model in experiment.runs[0].models}
        yield from _rows(experiment.title, rows, columns)


def _rarity(experiments: Sequence[PublishedExperiment]) -> Iterator[str]:
    """The same in one metric, by training interactions of the target."""
    names = [part.name for run in experiments[0].runs if run.data for part in run.data.rarity]
    names = list(dict.fromkeys(names))
    section, _, metric = BY_RARITY.partition(".")
    yield f"{metric}, {section} catalogue, by the training interactions of the target; below each the test users."
    yield ""
    yield f"| | | {' | '.join(names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    for experiment in experiments:
        parts = [{part.name: part for part in run.data.rarity} for run in experiment.runs if run.data]
        users = [parts[0][name].users if name in parts[0] else 0 for name in names]
        yield f"| {experiment.title} | test users | {' | '.join(f'{count:,}' for count in users)} |"
        rows: dict[str, dict[str, Estimate]] = {}
        for model in experiment.runs[0].models:
            models = {name: [seed[name].models[model] for seed in parts if seed[name].users] for name in parts[0]}
            rows[model] = {name: mean(seeds)[BY_RARITY] for name, seeds in models.items() if seeds}
        yield from _rows("", rows, names)


def _rows(title: str, rows: Mapping[str, Mapping[str, Estimate]], columns: Sequence[str]) -> Iterator[str]:
    """One line per model; the best of each column is bold, and where there is no figure stands a dash."""
    best = {
        column: max((figures[column].value for figures in rows.values() if column in figures), default=0.0)
        for column in columns
    }
    for model, figures in rows.items():
        cells = [
            figure_cell(figures[column], 0 < figures[column].value == best[column]) if column in figures else "–"
            for column in columns
        ]
        yield f"| {title} | {label(model)} | {' | '.join(cells)} |"
        title = ""


def _about(experiments: Sequence[PublishedExperiment]) -> Iterator[str]:
    """Seeds, users and protocol of each data set, with the command."""
    for experiment in experiments:
        run = experiment.runs[0]
        seeds = ", ".join(str(it.seed) for it in experiment.runs)
        several = "means over seeds" if len(experiment.runs) > 1 else "seed"
        yield f"- {experiment.title}: {several} {seeds}; {run.protocol}. `{experiment.commands()}`"


def _each(minutes: Sequence[float]) -> str:
    return ", ".join(dict.fromkeys(f"{value:.1f}" for value in minutes))
