"""Pieces of a run's page: head, stages, files, environment, log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.labels import label, plural
from engine.settings import stored_config
from engine.stages import stage_names, stage_title
from jobs.records import ACTIVE, Best, Run, Stage
from webapp.downloads import FILES, address, archive_address
from webapp.formatting import STATES, about, ago, clock, duration, memory
from webapp.html import Html, join, link, tag
from webapp.layout import notice

REASON = {"failed": "bad", "interrupted": "warn", "cancelled": "info", "validated": "info", "pruned": "info"}
NEXT_STEP = {
    "cancelled": "Cancelled; its last checkpoint is kept. Resume goes on from there.",
    "interrupted": "The process that worked on it is gone. Resume goes on from the last checkpoint.",
    "failed": "It failed; the log says where.",
    "validated": "A trial of a search, as far as the search needs: test users are not asked before it is closed.",
}
NO_WORKER = "No worker is running, so what is queued waits. Start one: delrec worker (delrec serve brings its own)."


def badge(state: str) -> Html:
    """The state in words and colour."""
    return tag("span", STATES.get(state, state), class_=f"dr-badge dr-{state}")


def head(run: Run, position: int | None, idle: bool = False) -> Html:
    """Name, state, what it is made of, times; and why it ended, where it ended badly.

    ``idle``: the run waits and no worker is there.
    """
    config = run.config
    made_of = [run.preset, config["teacher"]["name"], config["llm"]["name"]]
    parent = (
        tag("span", f"{run.origin} of ", link(run.parent_id, f"./run?id={run.parent_id}"), class_="dr-chip")
        if run.parent_id
        else None
    )
    data = link(config["data"]["dataset"], f"./data?run={run.id}", title="The data of this run")
    chips = [tag("span", part, class_="dr-chip") for part in (*made_of, data, f"seed {run.seed}", *run.tags) if part]
    facts = [tag("span", fact) for fact in _facts(run, position)]
    if run.state == "done":
        leads = [("Inspect recommendations", "inspect?run="), ("Compare with other runs", "compare?runs=")]
        leads += [("The distilled pattern", "pattern?run=")] if config["distill"]["prompt"] != "none" else []
        facts += [link(words, f"./{page}{run.id}") for words, page in leads]
    text = run.reason or NEXT_STEP.get(run.state, "")
    return join(
        [
            tag("div", tag("h1", run.name), badge(run.state), class_="dr-head"),
            tag("div", chips, parent, class_="dr-chips"),
            tag("div", facts, class_="dr-facts"),
            tag("div", notice(REASON[run.state], text), style="margin-top:10px") if run.state in REASON else None,
            tag("div", notice("warn", NO_WORKER), style="margin-top:10px") if idle else None,
            tag("p", run.note, class_="dr-lead", style="margin-top:8px") if run.note else None,
        ]
    )


def _facts(run: Run, position: int | None) -> list[str]:
    if run.state == "queued":
        place = f"queued as #{position}" if position else "queued"
        return [place, f"since {ago(run.queued_at)}", f"id {run.id}"]
    facts = [f"started {clock(run.started_at or run.created_at)}"]
    if run.seconds is not None:
        facts.append(f"{'running for' if run.active else 'took'} {duration(run.seconds)}")
    if run.active and run.eta_seconds is not None:
        facts.append(f"{about(run.eta_seconds)} left")
    if run.rss_mb is not None:
        facts.append(f"memory {memory(run.rss_mb)}")
    if run.peak_rss_mb is not None:
        facts.append(f"peak {memory(run.peak_rss_mb)}")
    return [*facts, f"id {run.id}"]


def stage_list(
    run: Run, begun: Sequence[Stage], best: Mapping[str, Best], popularity: Mapping[str, float] | None = None
) -> Html:
    """All stages that the run will go through: done, under way with bar and time left, still to come.

    ``best`` is where the validation of stages that train was best so far, ``popularity`` what popularity reaches on the
    users that validate a teacher.
    """
    known = {stage.name: stage for stage in begun}
    names = stage_names(stored_config(run.config))
    popular = popularity or {}
    rows = [
        _stage_row(number, name, known.get(name), run, best.get(name), popular.get(name))
        for number, name in enumerate(names, 1)
    ]
    compact = " dr-compact" if run.state == "done" else ""
    return tag("ol", rows, class_=f"dr-stages{compact}", aria_label="Stages")


def _sources(stage: Stage | None) -> Html | None:
    """Of which runs the stage's result, or parts of it, are; they may be gone by now."""
    if stage is None or not stage.sources:
        return None
    parts: dict[str, list[str]] = {}
    for part, run_id in stage.sources.items():
        parts.setdefault(run_id, []).extend([label(part)] if part else [])
    lines: list[Html | str] = []
    for run_id, named in parts.items():
        words = f"{', '.join(named)}: as in " if named else "as in "
        lines += ["; " if lines else "", words, link(run_id, f"./run?id={run_id}")]
    return tag("span", lines, class_="dr-since")


def _stage_row(
    number: int, name: str, stage: Stage | None, run: Run, best: Best | None, popularity: float | None
) -> Html:
    state = stage.state if stage else "waiting"
    if state == "running" and not run.active:
        state = "stopped"
    mark: str = {"done": "✓", "stopped": "!"}.get(state, str(number))
    right: list[str] = []
    bar = None
    if stage and state != "done" and stage.total:
        share = min(1.0, stage.step / stage.total)
        right.append(f"{stage.step:,} / {stage.total:,} {stage.unit}s")
        bar = tag(
            "div",
            tag("i", style=f"width:{100 * share:.1f}%"),
            class_="dr-progress",
            role="progressbar",
            aria_valuenow=round(100 * share),
            aria_valuemin=0,
            aria_valuemax=100,
            aria_label=stage_title(name),
        )
    if state == "running" and run.stage == name and run.stage_eta_seconds is not None:
        right.append(f"{about(run.stage_eta_seconds)} left")
    elif stage and state in ("done", "stopped", "running"):
        right.append(duration(stage.seconds))
    words = {"done": "done", "running": "under way", "stopped": "stopped", "waiting": "to come"}[state]
    return tag(
        "li",
        tag("span", mark, class_="dr-mark", aria_hidden="true"),
        tag("span", stage_title(name), tag("span", f" ({words})", class_="dr-sr"), class_="dr-name"),
        tag("span", " · ".join(right), class_="dr-right"),
        tag("span", best_words(stage, best), class_="dr-since") if stage and best else None,
        tag("span", no_better(best.value, popularity), class_="dr-since dr-warn")
        if best and popularity is not None and state == "done" and best.value <= popularity
        else None,
        _sources(stage),
        bar,
        class_=f"dr-is-{state}",
        data_stage=name,
        data_state=state,
    )


def best_words(stage: Stage, best: Best) -> str:
    """Which weights are kept and, while it goes on, how long ago they were found: ``best at step 40, 20 steps ago``."""
    place = f"best at {stage.unit} {best.step:,}" if best.step else "best before training"
    if stage.state == "done":
        return f"{place} of {best.last:,}" if best.step else f"{place}, none of {plural(best.last, stage.unit)} kept"
    since = max(stage.step, best.last) - best.step
    return f"{place}, {f'{plural(since, stage.unit)} ago' if since else 'just now'}"


def no_better(value: float, popularity: float) -> str:
    """What is wrong with a teacher that knows nothing that counting does not."""
    return f"no better than popularity on the validation users: NDCG@10 {value:.3f} against {popularity:.3f}"


def log(text: str, state: str) -> Html:
    """The end of the log, or what it waits for."""
    if not text:
        waiting = "It begins when a worker takes up the run." if state == "queued" else "Nothing was written."
        return tag("p", waiting, class_="dr-muted", style="padding:14px")
    return tag("pre", text)


def pairs(values: Mapping[str, Any]) -> Html:
    """Names and values, nested ones with dots."""
    rows = [(tag("dt", name), tag("dd", _value(value))) for name, value in _flat(values)]
    return (
        tag("dl", rows, class_="dr-pairs") if rows else tag("p", "Known once the run has started.", class_="dr-muted")
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in values.items():
        flat += _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return [(name.removeprefix("packages.").replace("_", " "), value) for name, value in flat]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def files(run: Run, present: Sequence[tuple[str, int]]) -> Html:
    """Links to the files that exist, with what they hold."""
    if not present:
        return tag("p", "Files appear when the run has started.", class_="dr-muted")
    rows = [
        tag(
            "li",
            tag(
                "span",
                link(name, address(run.id, name), download=True),
                " ",
                tag("span", FILES[name], class_="dr-muted"),
            ),
            tag("span", _size(size), class_="dr-muted"),
        )
        for name, size in present
    ]
    if run.state not in ("queued", *ACTIVE):
        what = "The whole run, to be imported elsewhere (its weights too)"
        entry = link("Export as an archive", archive_address(run.id), download=True)
        rows.append(tag("li", tag("span", entry, " ", tag("span", what, class_="dr-muted"))))
    return tag("ul", rows, class_="dr-files")


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1e6:.1f} MB"
