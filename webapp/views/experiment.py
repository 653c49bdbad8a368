"""Pieces of an experiment's page: its runs by variant and seed, figures, and their copies as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from engine.evaluate.render import short
from engine.experiment.statistics import TEST, Difference, SeedSpread
from engine.experiment.tables import Table
from engine.labels import plural
from jobs.experiment_forecast import ExperimentForecast
from jobs.experiments import ENDED, ExperimentState
from jobs.records import Experiment, Run, RunState
from webapp.formatting import STATES, ago, duration, memory
from webapp.html import Html, join, link, tag
from webapp.layout import empty, notice
from webapp.variants import NOTE, VariantRuns, difference_words, p_words, seed_words
from webapp.views.compare import copies, scrolled, swatch

MOST_FAILURES = 10
MOST_PREVIEWED = 60


def listing(found: Sequence[tuple[Experiment, Mapping[RunState, int]]]) -> Html:
    """All experiments, with links to their pages."""
    if not found:
        words = "Queue one with 'delrec experiment --preset quickstart --template ablations', or tick runs on Runs."
        return empty("No experiments yet", words, link("All runs", "./runs", class_="dr-button"))
    heads = [tag("th", text, scope="col") for text in ("Experiment", "Runs", "Begun")]
    rows = [
        tag(
            "tr",
            tag("th", link(it.name, f"./experiment?id={it.id}"), tag("small", it.question) if it.question else None,
                scope="row", class_="dr-run-name"),
            tag("td", counted(counts), tag("small", notes) if (notes := _notes(it)) else None),
            tag("td", ago(it.created_at)),
            data_experiment=it.id,
        )
        for it, counts in found
    ]  # fmt: skip
    return tag("div", scrolled("Experiments", tag("thead", tag("tr", heads)), tag("tbody", rows)), class_="dr-card")


def _notes(it: Experiment) -> str:
    """What kind of experiment it is, if it is a special one."""
    kind = ["search, closed" if it.closed else "search"] if it.search else []
    return ", ".join([*kind, *(["paused"] if it.paused else [])])


def counted(counts: Mapping[RunState, int]) -> str:
    """``3 done, 1 failed``."""
    return ", ".join(f"{number} {STATES[state].lower()}" for state, number in counts.items()) or "no runs"


def head(found: ExperimentState, trials: int | None = None, *, frozen: bool = False) -> Html:
    """Name, question, how far it is, and why runs failed.

    Args:
        trials: how many a search has at most.
        frozen: without links.
    """
    done, total = found.counts.get("done", 0), len(found.runs)
    reached, aim = (done, total) if trials is None else (sum(run.state in ENDED for run in found.runs), trials)
    bar = tag(
        "div",
        tag("i", style=f"width:{100 * reached / max(aim, 1):.1f}%"),
        class_="dr-progress",
        role="progressbar",
        aria_valuenow=reached,
        aria_valuemin=0,
        aria_valuemax=aim,
        aria_label="Runs that are done",
    )
    failed = found.failed
    reasons = [
        tag("li", _run(run, run.name, frozen), f": {run.reason}", class_="dr-worse") for run in failed[:MOST_FAILURES]
    ]
    more = [tag("li", f"and {len(failed) - MOST_FAILURES} more")] if len(failed) > MOST_FAILURES else []
    return tag(
        "div",
        tag("h1", found.experiment.name, class_="dr-title"),
        tag("p", found.experiment.question, class_="dr-lead") if found.experiment.question else None,
        tag("p", f"{plural(total, 'run')}: {counted(found.counts)}",
            f" · {found.deleted} deleted" if found.deleted else "",
            " · paused" if found.experiment.paused else "", f" · id {found.experiment.id}", class_="dr-muted"),
        bar,
        tag("ul", reasons, more, class_="dr-verdicts") if reasons else None,
        _left_out(found.left_out),
    )  # fmt: skip


def _left_out(found: Mapping[str, str]) -> Html | None:
    """Variants that a template would have and the base could not."""
    items = [tag("li", tag("b", label), f" is left out: {why}") for label, why in found.items()]
    return tag("ul", items, class_="dr-verdicts", data_left_out=True) if items else None


def _run(run: Run, words: str, frozen: bool) -> Html | str:
    return words if frozen else link(words, f"./run?id={run.id}", title=run.name)


def by_seed(variants: Sequence[VariantRuns], metric: str, *, frozen: bool = False) -> Html:
    """A row per variant, a column per seed; each cell leads to its run, unless ``frozen``."""
    seeds = sorted({seed for group in variants for seed in group.runs})
    heads = [tag("th", "Variant", scope="col")]
    heads += [tag("th", f"seed {seed}", scope="col", class_="dr-number") for seed in seeds]
    rows = []
    for group in variants:
        cells = [tag("th", swatch(group.place), group.label, scope="row", class_="dr-run-name")]
        for seed in seeds:
            run = group.runs.get(seed)
            if run is None:
                cells.append(tag("td", "–", class_="dr-number dr-muted"))
                continue
            cells.append(tag("td", _run(run, seed_words(group, seed, metric), frozen), class_="dr-number"))
        rows.append(tag("tr", cells))
    return scrolled("By seed", tag("thead", tag("tr", heads)), tag("tbody", rows))


def results(
    variants: Sequence[VariantRuns],
    figures: Mapping[tuple[int, str], SeedSpread],
    found: Mapping[int, Difference | None],
    metrics: Sequence[str],
    metric: str,
    baseline: VariantRuns,
    *,
    frozen: bool = False,
) -> Html:
    """Means with both kinds of spread, and paired differences to the baseline; each leads to the runs behind it.

    What was asked stands first, so that it is seen on a narrow screen too: the metric and its differences, then the
    others, then the settings, which are many in an ablation and are told by the variants' names.

    Args:
        frozen: without links.
    """

    def leading(words: str, groups: Sequence[VariantRuns], metric: str) -> Html | str:
        return words if frozen else _leading(words, groups, metric)

    varied = list(variants[0].settings)
    ordered = sorted(metrics, key=metric.__ne__)
    heads = [tag("th", name, tag("small", "candidates"), scope="col", class_="dr-number") for name in ordered]
    heads.insert(1, tag("th", f"{metric}, paired", tag("small", f"against {baseline.label}"), scope="col"))
    heads = [tag("th", "Variant", scope="col"), *heads, *(tag("th", name, scope="col") for name in varied)]
    rows = []
    for group in variants:
        named = (swatch(group.place), group.label, tag("small", _seeds(group)))
        cells = []
        for name in ordered:
            it = figures.get((group.place, name))
            cells.append(_spread(it, leading(_mean(it), [group], name)) if it else _NONE)
        difference = found.get(group.place)
        words, _, _ = difference_words(difference, group is baseline)
        shown = leading(words, [baseline, group], metric) if difference else words
        cells.insert(1, tag("td", shown, _test(difference), class_="dr-paired"))
        cells += [tag("td", value or "empty") for value in group.settings.values()]
        rows.append(tag("tr", tag("th", named, scope="row", class_="dr-run-name"), cells, data_variant=group.label))
    return join(
        [
            scrolled("Results", tag("thead", tag("tr", heads)), tag("tbody", rows)),
            tag("p", f"Figures: {NOTE}. Differences: {TEST}.", class_="dr-muted"),
        ]
    )


def report_link(table: Table, address: str) -> Html:
    """Copies of the results, and the whole as a file at ``address``."""
    whole = link("Report: one HTML file", address, download=True, class_="dr-button", id="experiment-report")
    return tag("div", copies(table), tag("p", whole, style="margin-top:12px"))


def expected(found: ExperimentForecast) -> Html:
    """What an experiment will take: every run, then the whole."""
    heads = [tag("th", text, scope="col") for text in ("Variant", "Seed", "Alone", "Shared", "Memory")]
    rows = [
        tag("tr", tag("th", it.label, scope="row"), tag("td", it.seed), tag("td", duration(it.alone)),
            tag("td", duration(it.shared)), tag("td", memory(it.memory_mb)))
        for it in found.runs[:MOST_PREVIEWED]
    ]  # fmt: skip
    whole = plural(found.size, "run")
    if found.alone is not None and found.shared is not None:
        whole += f": {duration(found.alone)} one by one, {duration(found.shared)} where stages are shared"
    else:
        whole += "; how long they take is known once one like them was done on this machine"
    return join(
        [
            [notice("bad", problem) for problem in found.problems],
            tag("p", tag("b", f"{whole}.")),
            _left_out(found.left_out),
            scrolled("Preview", tag("thead", tag("tr", heads)), tag("tbody", rows)),
        ]
    )


def _seeds(group: VariantRuns) -> str:
    done = sum(run.state == "done" for run in group.runs.values())
    return f"{done} of {plural(len(group.runs), 'seed')} done"


_NONE = tag("td", "–", class_="dr-number dr-muted")


def _leading(words: str, groups: Sequence[VariantRuns], metric: str) -> Html | str:
    """A link to the run behind a figure, or to the comparison of the runs behind it."""
    runs = [run for group in groups for run in group.answered]
    if len(runs) == 1:
        return _run(runs[0], words, False)
    asked = {"runs": ",".join(run.id for run in runs), "model": groups[-1].row, "metric": metric}
    return link(words, f"./compare?{urlencode(asked, safe=',')}", title=f"Its {plural(len(runs), 'run')}, compared")


def _mean(it: SeedSpread) -> str:
    return short(it.mean) if it.deviation is None else f"{short(it.mean)} ± {short(it.deviation)}"


def _spread(it: SeedSpread, words: Html | str) -> Html:
    users = f"users {short(it.users.low)} to {short(it.users.high)}"
    return tag("td", words, tag("small", users), class_="dr-number")


def _test(it: Difference | None) -> Html | None:
    if it is None:
        return None
    verdict = "no significant difference"
    if it.holm < 0.05:
        verdict = "better" if it.difference.value > 0 else "worse"
    return tag("small", f"p {p_words(it.p)}, Holm {p_words(it.holm)}; above in {it.better} of {it.seeds}: {verdict}")
