"""The table of workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.labels import plural
from jobs.records import Worker
from jobs.resources import Resources
from webapp.html import Html, link, tag
from webapp.layout import empty

HEADS = ("Machine", "Processor", "GPUs", "Version", "At work on")


def table(workers: Sequence[Worker], names: Mapping[str, str]) -> Html:
    """A line for each worker; ``names`` of runs under way, by id."""
    if not workers:
        return empty("No worker is there", "What is queued waits. Start one: delrec worker, or the app with its own.")
    rows = [_row(worker, Resources.of(worker.offers), names) for worker in workers]
    head = tag("thead", tag("tr", [tag("th", text, scope="col") for text in HEADS]))
    drawn = tag("table", head, tag("tbody", rows), class_="dr-table dr-stacked")
    return tag("div", drawn, class_="dr-scroll", tabindex=0, role="region", aria_label="Workers")


def _row(worker: Worker, offers: Resources, names: Mapping[str, str]) -> Html:
    gpus = [f"{gpu.name}{f', {gpu.memory_mb / 1000:.0f} GB' if gpu.memory_mb else ''}" for gpu in offers.gpus]
    tasks = [tag("div", link(names.get(run, run), f"./run?id={run}")) for run in offers.runs]
    processor = f"{plural(offers.cores, 'core')}, {offers.memory_mb / 1000:.0f} GB"
    cells = (
        tag("th", worker.process.host, tag("small", f"process {worker.process.pid}"), scope="row"),
        tag("td", processor, data_label="Processor"),
        tag("td", "; ".join(gpus) or "none", data_label="GPUs"),
        tag("td", offers.version or "a checkout", tag("small", offers.code), data_label="Version"),
        tag("td", tasks or "nothing", data_label="At work on"),
    )
    return tag("tr", list(cells))
