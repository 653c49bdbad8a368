"""An experiment as one HTML file, for readers without the app: no script, no network; its runs can be made again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from engine.environment import code_version, version
from engine.errors import StudioError
from engine.evaluate import Report
from engine.labels import LABELS, label, listed, plural
from engine.published.embedded import embed, experiment
from engine.published.record import PublishedRecord
from engine.published.record import found as found_of
from engine.run_folder import RunFolder
from engine.settings import stored_config, to_yaml
from jobs import api, experiments
from jobs.experiments import ExperimentState
from jobs.records import Run
from webapp.charts import ChartEstimate
from webapp.html import Html, tag
from webapp.inspect.downloads import CLOSED, SAFE
from webapp.inspect.views.report import document
from webapp.run_slices import slices
from webapp.svg import intervals
from webapp.variants import METHOD, VariantRuns, against, group_runs, read_answers, row_of, run_names, spreads
from webapp.views import experiment as view
from webapp.views.yardsticks import published

METRICS = ("HR@1", "HR@5", "NDCG@5")
CHOSEN = (
    "Training stops by validation users. All figures here are of test users: a variant picked by this table is picked"
    " on them, and its figure is too high; choose by validation, or confirm on other users."
)
router = APIRouter()


@router.get("/-/experiment.html")
def as_html(id: str = "", base: str = "", model: str = METHOD, metric: str = METRICS[0]) -> Response:
    """The report of an experiment as an attachment."""
    try:
        standing = experiments.standing(id)
        text = report(standing, base, model, metric)
    except StudioError as error:
        raise HTTPException(404, str(error)) from None
    name = f'attachment; filename="delrec-experiment-{standing.experiment.id}.html"'
    headers = {**SAFE, "Content-Disposition": name, "Content-Security-Policy": CLOSED}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


def report(found: ExperimentState, base: str = "", model: str = METHOD, metric: str = METRICS[0]) -> Html:
    """The whole document.

    Raises:
        StudioError: no run is done, or there is no such baseline, model or metric.
    """
    variants = group_runs(found)
    done = {run.id: Report.model_validate(api.results(run.id)) for run in found.runs if run.state == "done"}
    if not done:
        what = f"no run of {found.experiment.name!r} is done, so there is nothing to report"
        raise StudioError(what, where=found.experiment.id, remedy="wait for the first, or retry those that failed")
    choices = {"base": (base, [group.label for group in variants]), "model": (model, [METHOD, *LABELS])}
    for name, (given, known) in {**choices, "metric": (metric, list(METRICS))}.items():
        if given and given not in known:
            raise StudioError(f"there is no {name} {given!r}", where=name, remedy=f"choose from {', '.join(known)}")
    baseline = next((group for group in variants if group.label == base), variants[0])
    read_answers(variants, model)
    figures, differences = spreads(variants, METRICS), against(variants, baseline.place, metric)
    runs = [run for group in variants for run in group.runs.values() if run.state == "done"]
    place = {run.id: group.place for group in variants for run in group.runs.values()}
    names = run_names(variants)
    sliced = slices(runs, {run.id: row_of(run, model) for run in runs}, metric, "rarity", place, names, frozen=True)[0]
    row = "last stage of the paper's method" if model == METHOD else label(model)
    results = view.results(variants, figures, differences, METRICS, metric, baseline, frozen=True)
    plots = [
        intervals(estimates, f"{name} among the candidates, with 95 % intervals over users")
        for name in dict.fromkeys((metric, "NDCG@5"))
        if (estimates := [ChartEstimate(group.label, it.mean, it.users.low, it.users.high, group.place)
                          for group in variants if (it := figures.get((group.place, name)))])
    ]  # fmt: skip
    title = found.experiment.name
    made = f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by DELRec Studio {version()} ({code_version()})"
    head = tag("header", view.head(found, frozen=True), tag("p", made, class_="dr-muted"))
    caveats = _caveats(found, variants, list(done.values()), differences, metric)
    cards = [
        _card("What the figures do not say", tag("ul", [tag("li", words) for words in caveats], class_="dr-verdicts")),
        _card("Set-up", _setup(variants, list(done.values()))),
        _card(f"Results: {row}", results, tag("div", plots), published(list(done.values()), names, opened=True)),
        _card("Runs by seed", view.by_seed(variants, metric, frozen=True)),
        _card("By rarity of the next item", sliced),
        _card("Configuration", _configurations(variants)),
        _card("Versions", _versions(runs)),
        _card("Make it again", tag("p", "Runs all of this with DELRec Studio and compares every figure with the "
              "interval recorded here:"), tag("p", tag("code", "delrec reproduce FILE"))),
    ]  # fmt: skip
    return document(title, head, *cards, Html(embed(_record(variants, done))))


def _card(title: str, *content: Html | None) -> Html:
    return tag("section", tag("h2", title), *content, class_="dr-card")


def _caveats(
    found: ExperimentState,
    variants: Sequence[VariantRuns],
    reports: Sequence[Report],
    differences: dict[int, Any],
    metric: str,
) -> list[str]:
    """What a reader has to know before believing a difference."""
    tested = sum(it is not None for it in differences.values())
    seeds = sorted({len(group.answers) for group in variants})
    users = sorted({(it.users, it.protocol_details.users_available) for it in reports})
    caveats = [f"{plural(tested, 'comparison')} in {metric}; p-values are corrected for that number by Holm. Other "
            "metrics, rows and baselines that were looked at are not counted."] if tested else []  # fmt: skip
    words = [f"{some:,} of {every:,}" for some, every in users]
    caveats.append(
        f"Test users behind each figure: {listed(words)}. Differences smaller than their intervals are noise."
    )
    number = " or ".join(map(str, seeds))
    caveats.append(f"Finished seeds of a variant: {number}. " + (
        "One seed tells nothing of how much another would change." if seeds[0] < 2 else
        "The standard deviation is over these seeds alone."))  # fmt: skip
    drawn = sorted({(it.protocol_details.candidates, it.protocol_details.negatives) for it in reports})
    caveats.append("Candidates: " + listed([f"{count}, drawn {'uniformly' if how == 'uniform' else 'by popularity'}"
                for count, how in drawn]) + ". Figures among few candidates are far higher than on the full catalogue, "
                "and do not always rank models alike.")  # fmt: skip
    caveats.append(CHOSEN)
    if odd := [group.label for group in variants if differences.get(group.place, 0) is None]:
        caveats.append(f"Not paired with the baseline, for their questions differ: {listed(odd)}.")
    if missing := len(found.runs) - found.counts.get("done", 0):
        caveats.append(f"{plural(missing, 'run')} of {len(found.runs)} did not finish and are not in the figures.")
    if found.deleted:
        caveats.append(f"Deleted runs of this experiment, which are not in the figures: {found.deleted}.")
    if useless := sorted({name for it in reports for name in it.useless}):
        caveats.append(f"No better than popularity on validation users: {listed(list(map(label, useless)))}.")
    return caveats


def _setup(variants: Sequence[VariantRuns], reports: Sequence[Report]) -> Html:
    pairs = {
        "data": listed(list(dict.fromkeys(it.dataset for it in reports))),
        "varies": listed(list(variants[0].settings)) or "the seed alone",
        "variants": str(len(variants)),
        "seeds": listed([str(seed) for seed in sorted({seed for group in variants for seed in group.runs})]),
    }
    protocols = dict.fromkeys(it.protocol for it in reports)
    terms = [(tag("dt", name), tag("dd", value)) for name, value in pairs.items()]
    return tag("div", tag("dl", terms, class_="dr-pairs"), [tag("p", f"{it}.", class_="dr-muted") for it in protocols])


def _configurations(variants: Sequence[VariantRuns]) -> Html:
    """Of the first variant all settings; of the others what differs stands in the table."""
    run = next(iter(variants[0].runs.values()))
    summary = f"All settings of {variants[0].label}; the others differ as the table of results says"
    text = to_yaml(_public(run))
    return tag("details", tag("summary", summary), tag("pre", text, class_="dr-grammar"), class_="dr-more")


def _public(run: Run) -> Any:
    """A run's settings without what belongs to this machine."""
    config = stored_config(run.config)
    explain = type(config.explain)()
    place = config.data.path and str(config.data.path).replace("\\", "/").rpartition("/")[2]
    return config.model_copy(update={"explain": explain, "data": config.data.model_copy(update={"path": place})})


def _versions(runs: Sequence[Run]) -> Html:
    """Programs and processors with which the runs were made."""
    versions: dict[str, set[str]] = {}
    for run in runs:
        try:
            path = RunFolder(run.folder).files.checked(run.folder / "environment.json")
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, StudioError):
            continue
        flat = {key: value for key, value in known.items() if isinstance(value, str | int | float)}
        for name, value in {**flat, **known.get("packages", {})}.items():
            versions.setdefault(name, set()).add(str(value))
    terms = [(tag("dt", name.replace("_", " ")), tag("dd", ", ".join(sorted(each)))) for name, each in versions.items()]
    return tag("dl", terms, class_="dr-pairs")


def _record(variants: Sequence[VariantRuns], done: dict[str, Report]) -> PublishedRecord:
    made = {}
    for group in variants:
        runs = {seed: run for seed, run in sorted(group.runs.items()) if run.id in done}
        if runs:
            first = next(iter(runs.values()))
            found = [found_of(done[run.id].model_dump(mode="json"), seed) for seed, run in runs.items()]
            made[group.label] = experiment(group.label, stored_config(first.config), first.preset, found)
    return PublishedRecord(experiments=made, tables={})
