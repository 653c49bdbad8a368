"""How fast the queries behind each page are with many runs: ``python tests/benchmarks/store.py [RUNS] [POINTS]``.

Fills a database in a temporary folder (200 runs with 10,000 points each by default, about a minute) and prints the
median and the slowest of several looks, in milliseconds.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from db import lifecycle, metrics, results, runs, stages
from db.stages import Stage
from db.store import writing
from engine.curves import CurveName
from engine.settings import make_config, nest
from jobs import api

CURVES = {"teacher": ("loss", "validation.NDCG@10")}
CURVES |= {"distil": ("loss.ta", "loss.rps", "validation.loss.rps", "weight.ta", "weight.rps", "lr")}
CURVES |= {"finetune": ("loss.lsr", "lr", "validation.HR@1", "validation.NDCG@10")}
VALIDATION = CurveName("finetune", "NDCG@10", validation=True)
MODELS = ("popularity", "markov", "sasrec", "llm-zero-shot", "llm-distilled", "delrec")
METRICS = ("HR@1", "HR@5", "HR@10", "NDCG@5", "NDCG@10")
USERS = 943
ROUNDS = 7


def fill(count: int, points: int, settings: Sequence[Mapping[str, object]] = ()) -> list[str]:
    """Finished runs with ``points`` points each, evenly over the curves; returns their ids.

    Args:
        settings: what of their settings is other than usual, by dotted names, of each in turn.
    """
    each = points // sum(map(len, CURVES.values()))
    number = {"value": 0.5, "low": 0.4, "high": 0.6}
    table = dict.fromkeys(METRICS, number)
    tables = {"candidates": table, "full": table, "agreement": {"top-1": number}}
    rows = [{"name": name, "kind": "llm" if "l" in name[:3] else "teacher", **tables} for name in MODELS]
    pairs = [
        {"a": "delrec", "b": name, "metric": f"candidates.{metric}", "difference": 0.1, "low": 0.0, "high": 0.2}
        for name in MODELS[:-1]
        for metric in METRICS
    ]
    details = {"teacher": "sasrec", "split": "leave-one-out", "candidates": 20, "negatives": "uniform", "history": 10}
    details |= {"teacher_history": 50, "items": 1682, "full_top": 20, "ties": "mean", "users_available": USERS}
    report = {"dataset": "ml-100k", "protocol": "leave-one-out", "users": USERS, "seed": 0, "peak_memory_mb": 2000.0}
    report |= {"models": rows, "comparisons": pairs, "stages": [], "protocol_details": details}
    details |= {"interval": "percentile", "bootstrap": 1000}
    ids = []
    for place in range(count):
        own = settings[place] if settings else {}
        config = make_config(nest(own)).model_dump(mode="json")
        run = runs.create(None, config, preset="quickstart", state="starting")
        with writing() as session:
            drawn = [(stage, name, step, 1 / (step + 1)) for stage in CURVES for name in CURVES[stage]
                     for step in range(each)]  # fmt: skip
            metrics.append(run.id, drawn, session)
            stages.save(run.id, (Stage(stage, "done", 60.0, each, each, "step") for stage in CURVES), session)
            results.save(run.id, report | {"run_id": run.id}, session)
            lifecycle.end(run.id, "done", session)
        ids.append(run.id)
    return ids


def looks(ids: list[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What each page asks of the database."""
    newest = [run.id for run in api.runs(limit=500)]
    headline = {"HR@1", "NDCG@5", "NDCG@10"}
    last = api.metrics(ids[0])[-1].id
    yield "Runs: list", lambda: api.runs(limit=500)
    yield "Runs: search", lambda: api.runs("run 17", limit=500)
    yield "Runs: headline figures", lambda: results.table(newest, protocols={"candidates", "full"}, metrics=headline)
    yield "Run: state and stages", lambda: (api.status(ids[0]), api.stages(ids[0]))
    yield "Run: curves of one stage", lambda: metrics.curves([ids[0]], stages=["distil"])
    yield "Run: all curves", lambda: metrics.curves([ids[0]])
    yield "Run: results", lambda: api.results(ids[0])
    yield "Run: new points", lambda: api.metrics(ids[0], after=last - 100)
    for size in (2, 10, 50):
        chosen = ids[:size]
        yield f"Compare {size}: table", lambda chosen=chosen: results.table(chosen, models=["delrec"])
        yield f"Compare {size}: names of curves", lambda chosen=chosen: metrics.names(chosen)
        yield f"Compare {size}: all curves", lambda chosen=chosen: metrics.curves(chosen)
        yield f"Compare {size}: one curve", lambda chosen=chosen: metrics.curves(chosen, names=[VALIDATION])


def main(count: int = 200, points: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DELREC_HOME"] = folder
        began = time.perf_counter()
        ids = fill(count, points)
        print(f"{count} runs with {points} points each written in {time.perf_counter() - began:.0f} s")
        print(f"{'query':<28}{'median ms':>10}{'slowest ms':>12}")
        for name, look in looks(ids):
            seconds = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                look()
                seconds.append(1000 * (time.perf_counter() - began))
            print(f"{name:<28}{statistics.median(seconds):>10.1f}{max(seconds):>12.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
