"""How fast the pages answer with many runs: ``python tests/benchmarks/pages.py [RUNS] [POINTS]``.

Serves the app in this process over a database with 200 runs of 10,000 points each (by default, about a minute to
write) and prints how long each page's HTML and what it asks for when it opens take, in milliseconds: the median, the
slowest (the first, which fills the caches), and the processor's part of the median, which tells on a busy machine.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from store import MODELS, USERS, fill

from db.runs import run_folder
from engine.data.split import Examples
from engine.evaluate.predictions import write_predictions

ROUNDS = 5


def main(count: int = 200, points: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DELREC_HOME"] = folder
        ids = fill(count, points)
        predict(ids[:50])

        from fastapi.testclient import TestClient

        from webapp.access import Access
        from webapp.app import build_pages, create_app

        pages = build_pages(Access())
        opening = {
            name: [number for number, fn in pages.fns.items() if fn.page == name and fn.fn and _opens(fn)]
            for name in ("", "runs", "run", "compare", "users", "inspect", "api")
        }
        few, many = ",".join(ids[:5]), ",".join(ids[:50])
        visits = {
            "Launch": ("", ""),
            "Runs": ("runs", ""),
            "Run": ("run", f"id={ids[0]}"),
            "Compare 5 runs": ("compare", f"runs={few}"),
            "Compare 50 runs": ("compare", f"runs={many}"),
            "Users": ("users", f"run={ids[0]}"),
            "Inspect": ("inspect", f"run={ids[0]}"),
            "API": ("api", ""),
        }
        print(f"{count} runs with {points} points each")
        print(f"{'page':<18}{'HTML ms':>9}{'opening ms':>12}{'slowest ms':>12}{'CPU ms':>9}")
        with TestClient(create_app(Access())) as client:
            for title, (page, query) in visits.items():
                html = min(_timed(lambda p=page, q=query: client.get(f"/{p}?{q}")) for _ in range(ROUNDS))
                calls, used = [], []
                for _ in range(ROUNDS):
                    before = time.process_time()
                    calls.append(_timed(lambda p=page, q=query: [_call(client, pages, n, q) for n in opening[p]]))
                    used.append(1000 * (time.process_time() - before))
                median, cpu = sorted(calls)[ROUNDS // 2], sorted(used)[ROUNDS // 2]
                print(f"{title:<18}{html:>9.0f}{median:>12.0f}{max(calls):>12.0f}{cpu:>9.0f}")


def predict(ids: list[str]) -> None:
    """Give these runs what their models answered for each user."""
    chance = np.random.default_rng(0)

    def numbers(*shape: int) -> Any:
        return chance.integers(1, 1600, shape)

    row = SimpleNamespace(kind="llm", candidates=chance.random((USERS, 20)))
    row.full, row.ranks = SimpleNamespace(expected=numbers(USERS)), SimpleNamespace(expected=numbers(USERS) % 20 + 1)
    row.listing = SimpleNamespace(items=numbers(USERS, 20), scores=chance.random((USERS, 20)))
    targets = numbers(USERS)
    examples = Examples(np.arange(USERS), tuple(numbers(USERS, 10)), targets)
    row.warm_ranks = None
    candidates = targets[:, None] + np.arange(20)
    answers: Any = SimpleNamespace(examples=examples, candidates=candidates, teacher="sasrec", n_items=1682)
    answers.rows = dict.fromkeys(MODELS, row)
    first, *others = (run_folder(run_id) / "predictions.parquet" for run_id in ids)
    write_predictions(answers, list(map(str, range(USERS))), 10, Path(first))
    for path in others:
        path.parent.mkdir(parents=True)
        shutil.copy(first, path)


def _opens(function: object) -> bool:
    return any(event == "load" for _, event in function.targets)  # type: ignore[attr-defined]


def _call(client: object, pages: object, number: int, query: str, values: list[object] | None = None) -> int:
    """Asks what a page asks; returns the answer's bytes."""
    inputs = values or [None if block.stateful else block.value for block in pages.fns[number].inputs]  # type: ignore[attr-defined]
    body = {"fn_index": number, "data": inputs, "session_hash": f"benchmark-{time.monotonic_ns()}"}
    answer = client.post(f"/gradio_api/run/predict?{query}", json=body)  # type: ignore[attr-defined]
    if answer.status_code != 200:
        raise SystemExit(answer.text)
    return len(answer.content)


def _timed(act: object) -> float:
    began = time.perf_counter()
    act()  # type: ignore[operator]
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
