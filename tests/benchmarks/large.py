"""What pages of a large data set cost: ``python tests/benchmarks/large.py [USERS] [ITEMS] [INTERACTIONS]``.

Makes tables of 60,000 users, 30,000 items and 1,000,000 interactions (by default) and a finished run on them, and
prints what the first look takes: processor seconds, seconds, and megabytes at most, each in a process of its own.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from store import MODELS

from db import lifecycle, runs
from db.store import writing
from engine.data import load_dataset, split_dataset
from engine.data.fingerprint import Fingerprint
from engine.evaluate.predictions import write_predictions
from engine.monitor import Monitor
from engine.run_folder import RunFolder
from engine.settings import load_config


def write(folder: Path, users: int, items: int, interactions: int) -> None:
    """Interactions and items, with a long tail."""
    chance = np.random.default_rng(0)
    people = np.concatenate([np.repeat(np.arange(users), 5), chance.integers(0, users, interactions - 5 * users)])
    weights = 1 / (np.arange(items) + 20) ** 0.8
    chosen = chance.choice(items, interactions, p=weights / weights.sum())
    times = chance.integers(1_200_000_000, 1_400_000_000, interactions)
    with (folder / "interactions.csv").open("w") as file:
        file.write("user,item,timestamp\n")
        file.writelines(f"A{u}X,B{i},{moment}\n" for u, i, moment in zip(people, chosen, times, strict=True))
    with (folder / "items.csv").open("w") as file:
        file.write("item,title,genres\n")
        file.writelines(f'B{i},"A thing of some length, {i}",Home|Kind {i % 400}\n' for i in range(items))


def make_run(folder: Path) -> str:
    """A finished run on these tables, and what its models answered for every user; its id."""
    config = load_config("smoke", overrides=["data.dataset=csv", f"data.path={folder}"])
    run = runs.create("large", config.model_dump(mode="json"), preset="smoke", state="starting")
    with writing() as session:
        lifecycle.end(run.id, "done", session)
    dataset = load_dataset(config.data, config.seed, Monitor())
    made = RunFolder.create(run.folder, config, run.id)
    Fingerprint.of(dataset, config.data).save(made.fingerprint)
    examples, chance = split_dataset(dataset, config.data).test, np.random.default_rng(0)
    n, n_items = len(examples), len(dataset.catalogue)

    def row() -> Any:
        ranks = SimpleNamespace(expected=chance.integers(1, 20, n))
        listing = SimpleNamespace(items=chance.integers(0, n_items, (n, 20)), scores=chance.random((n, 20)))
        scores = chance.random((n, 20))
        return SimpleNamespace(kind="llm", candidates=scores, full=ranks, ranks=ranks, listing=listing, warm_ranks=None)

    candidates = (examples.targets[:, None] + np.arange(20)) % n_items
    answers: Any = SimpleNamespace(examples=examples, candidates=candidates, teacher="sasrec", n_items=n_items)
    answers.rows = {model: row() for model in MODELS}
    write_predictions(answers, dataset.user_ids, 10, made.predictions)
    return run.id


def look(page: str, run_id: str) -> None:
    """The first look at a page; prints what it took."""
    run = runs.get(run_id)
    if page == "Data of a run":
        from jobs.data_child import DataMonitor, _describe

        telling = DataMonitor(lambda *_: None)
        request = {"data": run.config["data"], "seed": 0, "run": str(run.folder)}
        act: Any = lambda: _describe(request, lambda *_: None, telling)  # noqa: E731
    else:
        from webapp.pages.users import _draw

        act = lambda: _draw({"run": run_id})  # noqa: E731
    began, used = time.perf_counter(), time.process_time()
    act()
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())  # ru_maxrss is the parent's, if higher
    memory = int(peak[1]) / 1024 if peak else math.nan
    print(f"{page:<16}{time.process_time() - used:>8.1f}{time.perf_counter() - began:>10.1f}{memory:>12,.0f}")


def main(users: int = 60_000, items: int = 30_000, interactions: int = 1_000_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DELREC_HOME"] = f"{folder}/home"
        data = Path(folder) / "data"
        data.mkdir()
        write(data, users, items, interactions)
        run_id = make_run(data)
        print(f"{users:,} users, {items:,} items, {interactions:,} interactions")
        print(f"{'first look':<16}{'CPU s':>8}{'seconds':>10}{'memory MB':>12}", flush=True)
        for page in ("Data of a run", "Users"):
            subprocess.run([sys.executable, __file__, "look", page, run_id], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["look"]:
        look(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
