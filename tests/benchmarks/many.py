"""How fast pages and queue are with many runs: ``python tests/benchmarks/many.py [RUNS] [POINTS] [ALL]``.

An experiment of 60 runs with 10,000 points each (20 variants, three seeds) among 1,000 runs, by default. Prints what
opening the page *Experiment*, opening and searching *Runs*, and launching 200 runs take: seconds by the clock the first
time and the median, of the processor, megabytes sent, and how many times the latter fit into the promised seconds.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from pages import _call, _opens, predict
from store import fill

ROUNDS = 5
PAGES: dict[str, tuple[str, str | None, str, list[object] | None]] = {
    "Experiment": ("experiment", None, "id=sixty", None),
    "Experiment, another metric": ("experiment", "renewed", "", ["sixty", None, "method", "NDCG@5", ""]),
    "Runs": ("runs", None, "", None),
    "Runs, searched": ("runs", "ticked", "", ["quickstart-17", "all", ""]),
}
"""Page, handler (None: all that are called when it opens), query, and what stands in the fields."""
PROMISED = dict.fromkeys(PAGES, 1.0) | {"Launch 200 runs": 2.0}


def prepare(count: int, points: int, everything: int) -> None:
    """Fill the data folder."""
    from jobs import experiments

    ids = fill(count, points, [{"distill.steps": 100 + place // 3, "seed": place % 3} for place in range(count)])
    predict(ids)
    fill(everything - count, 100)
    experiments.gather(ids, "sixty")


def measure() -> None:
    """Print how long everything takes."""
    from fastapi.testclient import TestClient

    from engine.experiment.plan import Plan
    from engine.settings import load_config
    from jobs import experiments
    from webapp.access import Access
    from webapp.app import build_pages, create_app

    pages = build_pages(Access())
    print(f"{'':<28}{'first s':>9}{'median s':>10}{'CPU s':>8}{'MB':>7}{'promised':>10}{'ratio':>7}")
    with TestClient(create_app(Access())) as client:
        for name, (page, handler, query, values) in PAGES.items():
            own = [(number, fn) for number, fn in pages.fns.items() if fn.page == page and fn.fn]
            numbers = [number for number, fn in own if (fn.fn.__name__ == handler if handler else _opens(fn))]
            numbers = numbers[:1] if handler else numbers
            _report(name, lambda n=numbers, q=query, v=values: sum(_call(client, pages, it, q, v) for it in n))
    config = load_config("smoke").model_dump(mode="json")

    def launch() -> int:
        experiments.start(Plan(base=config, vary={"distill.steps": list(range(1, 201))}), confirmed=True)
        return 0

    _report("Launch 200 runs", launch)


def main(count: int = 60, points: int = 10_000, everything: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DELREC_HOME"] = folder
        print(f"{count} runs with {points} points each in an experiment, {everything} in all")
        prepare(count, points, everything)
        measure()


def _report(name: str, act: Callable[[], Any]) -> None:
    taken, used, sent = [], [], 0
    for _ in range(ROUNDS):
        clock, processor = time.perf_counter(), time.process_time()
        sent = act()
        taken.append(time.perf_counter() - clock)
        used.append(time.process_time() - processor)
    median, cpu = sorted(taken)[ROUNDS // 2], sorted(used)[ROUNDS // 2]
    print(
        f"{name:<28}{taken[0]:>9.2f}{median:>10.2f}{cpu:>8.2f}{sent / 1e6:>7.2f}{PROMISED[name]:>10.1f}"
        f"{PROMISED[name] / cpu:>7.1f}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
