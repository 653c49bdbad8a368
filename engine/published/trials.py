"""Published falsification tests: figures, and differences with their verdicts, in Markdown; a column for each run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.evaluate.render import readable
from engine.falsify.record import NUMBERS, Claim, Falsification, Finding, difference
from engine.labels import label
from engine.published.record import PublishedRecord, PublishedTable


def markdown(record: PublishedRecord, table: PublishedTable) -> str:
    """Of the table's trials: what decides, and all that was measured in ``table.columns``."""
    taken = [falsification for name in table.trials for falsification in record.trials[name].taken]
    figures = [*_figures(taken, table.columns), ""] if table.columns else []
    return "\n".join(
        [*figures, *_claims(taken, table.columns), "", _about(taken), "", *_commands(record, table.trials)]
    )


def _figures(taken: Sequence[Falsification], measures: Sequence[str]) -> list[str]:
    """A row for each that was asked, a column for each measure of each run."""
    found = [
        {(figure.name, figure.measure): figure for finding in run.findings for figure in finding.figures}
        for run in taken
    ]
    names = dict.fromkeys(name for figures in found for name, measure in figures if measure in measures)
    heads = [f"{readable(measure)}, {_run(run)}" for measure in measures for run in taken]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for name in names:
        cells = []
        for measure in measures:
            for figures in found:
                figure = figures.get((name, measure))
                cells.append(f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]" if figure else "–")
        lines.append(f"| {readable(name)} | {' | '.join(cells)} |")
    return lines


def _claims(taken: Sequence[Falsification], measures: Collection[str]) -> list[str]:
    """Of each test its verdict, then the paired differences: those that decide, and those in ``measures``."""
    lines = [f"| Test, paired difference | {' | '.join(map(_run, taken))} |", f"|---|{'---|' * len(taken)}"]
    for number in NUMBERS:
        found = [next((it for it in run.findings if it.number == number), None) for run in taken]
        there = [finding for finding in found if finding]
        if not there:
            continue
        verdicts = (f"**{finding.verdict}**" if finding else "–" for finding in found)
        lines.append(f"| **{number}. {there[0].title}** | {' | '.join(verdicts)} |")
        shown = [claim for finding in there for claim in finding.claims if claim.deciding or claim.measure in measures]
        for name, measure, deciding in dict.fromkeys((claim.name, claim.measure, claim.deciding) for claim in shown):
            cells = (_claim(_find(finding, name, measure)) for finding in found)
            text = f"{readable(f'{name}: {measure}')}{' (decides)' if deciding else ''}"
            lines.append(f"| {text} | {' | '.join(cells)} |")
    return lines


def _find(finding: Finding | None, name: str, measure: str) -> Claim | None:
    claims = finding.claims if finding else []
    return next((claim for claim in claims if (claim.name, claim.measure) == (name, measure)), None)


def _claim(claim: Claim | None) -> str:
    return f"{difference(claim)}: {claim.verdict}" if claim else "–"


def _run(run: Falsification) -> str:
    return f"{run.users} users, seed {run.seed}"


def _about(taken: Sequence[Falsification]) -> str:
    run = taken[0]
    compared = "; ".join(f"{name}: {source}" for name, source in run.controls.items())
    controls = f"{compared[:1].upper()}{compared[1:]}. " if compared else ""
    return (
        f"{run.dataset}, teacher {label(run.teacher)}, {run.candidates} candidates; {run.users_available} test users "
        f"in all. {controls}{run.rules}"
    )


def _commands(record: PublishedRecord, trials: Sequence[str]) -> list[str]:
    lines = []
    for trial in (record.trials[name] for name in trials):
        some = "" if set(trial.tests) == set(NUMBERS) else f" --tests {','.join(map(str, trial.tests))}"
        some += " --train" if trial.trains else ""
        experiment = record.experiments[trial.experiment]
        lines += [
            f"- `{experiment.command(found.seed)}`, then `delrec falsify --run RUN --users {trial.users}{some}`"
            for found in trial.taken
        ]
    return lines
