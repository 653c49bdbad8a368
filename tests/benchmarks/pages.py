"""How fast the pages answer with many runs: ``python tests/benchmarks/pages.py [RUNS] [POINTS]``.

Serves the app in this process over a database with 200 runs of 10,000 points each (by default, about a minute to
write) and prints how long each page's HTML and what it asks for when it opens take, in milliseconds.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

from store import fill

LOOKS = 5


def main(count: int = 200, points: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DELREC_HOME"] = folder
        ids = fill(count, points)

        from fastapi.testclient import TestClient

        from webapp.access import Access
        from webapp.app import build_pages, create_app

        pages = build_pages(Access())
        opening = {
            name: [number for number, fn in pages.fns.items() if fn.page == name and fn.fn and _opens(fn)]
            for name in ("", "runs", "run", "compare", "api")
        }
        few, many = ",".join(ids[:5]), ",".join(ids[:50])
        visits = {
            "Launch": ("", ""),
            "Runs": ("runs", ""),
            "Run": ("run", f"id={ids[0]}"),
            "Compare 5 runs": ("compare", f"runs={few}"),
            "Compare 50 runs": ("compare", f"runs={many}"),
            "API": ("api", ""),
        }
        print(f"{count} runs with {points} points each\n{'page':<18}{'HTML ms':>9}{'opening ms':>12}{'slowest ms':>12}")
        with TestClient(create_app(Access())) as client:
            for title, (page, query) in visits.items():
                html = min(_timed(lambda p=page, q=query: client.get(f"/{p}?{q}")) for _ in range(LOOKS))
                calls = [
                    sum(_timed(lambda n=number, q=query: _call(client, pages, n, q)) for number in opening[page])
                    for _ in range(LOOKS)
                ]
                print(f"{title:<18}{html:>9.0f}{sorted(calls)[LOOKS // 2]:>12.0f}{max(calls):>12.0f}")


def _opens(function: object) -> bool:
    return any(event == "load" for _, event in function.targets)  # type: ignore[attr-defined]


def _call(client: object, pages: object, number: int, query: str) -> None:
    inputs = [block.value for block in pages.fns[number].inputs]  # type: ignore[attr-defined]
    body = {"fn_index": number, "data": inputs, "session_hash": "benchmark"}
    answer = client.post(f"/gradio_api/run/predict?{query}", json=body)  # type: ignore[attr-defined]
    if answer.status_code != 200:
        raise SystemExit(answer.text)


def _timed(act: object) -> float:
    began = time.perf_counter()
    act()  # type: ignore[operator]
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
