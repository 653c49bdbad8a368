"""What an experiment costs beside its runs one by one: ``python tests/benchmarks/experiment.py [--preset quickstart]``.

Every run of a template twice, each in a process of its own, as a worker starts it: one by one with nothing shared, and
as many at once as a worker takes (``--at-once``) with what others have made; both ways take turns, so that whatever
else the machine does meets both. Told are seconds by the clock and of the processor, their ratios, where they go, and
whether the two ways agree to the last digit: in all of ``metrics.json`` but times and memory, and in every score of
``predictions.parquet``. If not, it exits with 1. ``--template seeds`` tells what runs at once gain by themselves: its
runs share nothing but the data.

Data and models are those of DELREC_HOME. With ``--folder`` it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMISED = 0.5
FETCHED = ("datasets", "models", "data")
"""What is taken from the usual data folder; what was computed there is not."""
COST = "cost.json"
UNLIKE = ("run_id", "stages", "peak_memory_mb")
"""Of ``metrics.json``, what two equal runs need not agree in."""


@dataclass(frozen=True)
class Cost:
    """Seconds of runs by the clock and of their processors, and by stage of what they made themselves."""

    clock: float
    processor: float
    stages: Mapping[str, float]

    def __add__(self, other: Cost) -> Cost:
        names = dict.fromkeys([*self.stages, *other.stages])
        stages = {name: self.stages.get(name, 0.0) + other.stages.get(name, 0.0) for name in names}
        return Cost(self.clock + other.clock, self.processor + other.processor, stages)


NOTHING = Cost(0.0, 0.0, {})


def prepare(config: Any) -> None:
    """Fetch what is missing, and have the machine find its number format."""
    from engine.data import load_dataset
    from engine.llm import load_backbone
    from engine.monitor import Monitor

    load_dataset(config.data, config.seed, Monitor())
    load_backbone(config.llm, Monitor())


def run(config: Path, folder: Path) -> None:
    """One run, in this process."""
    from engine.config import RunConfig
    from engine.pipeline import run_pipeline

    run_pipeline(RunConfig.model_validate_json(config.read_text()), folder)


def measured(runs: Mapping[Path, Any], *, sharing: bool) -> Cost:
    """What runs at once cost, by the folder they are kept in; what is done is not repeated, what was stopped begins
    anew."""
    from engine.run_folder import RunFolder

    if not all((folder / COST).exists() for folder in runs):
        environment = {**os.environ, "DELREC_SHARED_MB": "4000" if sharing else "0"}
        for folder, config in runs.items():
            _forget(folder)
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.with_suffix(".json").write_text(config.model_dump_json())
        began = time.monotonic()
        children = {
            folder: subprocess.Popen(
                [sys.executable, __file__, "--run", folder.with_suffix(".json"), folder], env=environment
            )
            for folder in runs
        }
        used = {}
        for folder, child in children.items():
            _, status, used[folder] = os.wait4(child.pid, 0)
            if status:
                raise SystemExit(f"{folder} failed")
        clock = (time.monotonic() - began) / len(runs)
        for folder, it in used.items():
            (folder / COST).write_text(json.dumps({"clock": clock, "processor": it.ru_utime + it.ru_stime}))
    cost = NOTHING
    for folder in runs:
        stages = RunFolder(folder).stages()
        made = {stage["name"]: stage["seconds"] for stage in stages if not stage.get("source")}
        cost += Cost(**json.loads((folder / COST).read_text()), stages=made)
    return cost


def unlike(one: Path, other: Path) -> list[str]:
    """Where two runs differ: keys of their reports, rows of their scores."""
    from engine.evaluate import read_scores

    reports = [json.loads((folder / "metrics.json").read_text()) for folder in (one, other)]
    scores = [read_scores(folder / "predictions.parquet").of for folder in (one, other)]
    found = [key for key in reports[0] if key not in UNLIKE and reports[0][key] != reports[1][key]]
    return found + [row for row in scores[0] if not (scores[0][row] == scores[1][row]).all()]


def main(arguments: Sequence[str]) -> int:
    from engine.experiment.parsing import make_plan
    from engine.experiment.plan import expand
    from engine.settings import load_config
    from jobs.settings import job_settings

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=("smoke", "quickstart"), default="smoke")
    parser.add_argument("--template", default="ablations")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--at-once", type=int, default=job_settings().at_once, help="by default as many as a worker takes"
    )
    parser.add_argument("--folder", type=Path, help="where runs are kept; by default none are")
    chosen = parser.parse_args(arguments)
    config = load_config(chosen.preset, overrides=chosen.changes)
    planned = expand(make_plan(chosen.preset, config, template=chosen.template))
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the app has it, for the processes that are started
    with _home(chosen.folder) as home:
        prepare(config)
        alone, shared = NOTHING, NOTHING
        differing: dict[str, list[str]] = {}
        print(f"{'seconds by the clock':<28}{'alone':>9}{'shared':>9}{'ratio':>7}", flush=True)
        for start in range(0, len(planned), chosen.at_once):
            batch = {start + place: it for place, it in enumerate(planned[start : start + chosen.at_once])}
            folders = {way: {it: home / "runs" / f"{way}-{it}" for it in batch} for way in ("alone", "shared")}
            one_by_one = [measured({folders["alone"][it]: batch[it].config}, sharing=False) for it in batch]
            at_once = measured({folders["shared"][it]: batch[it].config for it in batch}, sharing=True)
            alone, shared = sum(one_by_one, alone), shared + at_once
            _line(", ".join(it.label for it in batch.values()), sum(it.clock for it in one_by_one), at_once.clock)
            for number, it in batch.items():
                if found := unlike(folders["alone"][number], folders["shared"][number]):
                    differing[f"{it.label}, seed {it.config.seed}"] = found
        return report(alone, shared, differing, f"{chosen.template} on {chosen.preset}, {len(planned)} runs")


def report(alone: Cost, shared: Cost, differing: Mapping[str, list[str]], what: str) -> int:
    """Print the sums, where they go, and whether figures are equal."""
    for name, seconds in alone.stages.items():
        _line(f"  {name}", seconds, shared.stages.get(name, 0.0))
    _line("all, by the clock", alone.clock, shared.clock)
    _line("all, of the processor", alone.processor, shared.processor)
    print(f"{what}: {shared.clock / alone.clock:.2f} of their costs one by one; promised {PROMISED}")
    told = "; ".join(f"{label}: {', '.join(found)}" for label, found in differing.items())
    print(f"figures and scores: {f'DIFFERENT: {told}' if told else 'equal to the last digit in all runs'}")
    return int(bool(differing))


def _line(label: str, alone: float, shared: float) -> None:
    print(f"{label:<28}{alone:>9.1f}{shared:>9.1f}{shared / alone if alone else 0:>7.2f}", flush=True)


@contextmanager
def _home(folder: Path | None) -> Iterator[Path]:
    """A data folder in which nothing was computed before."""
    from engine.paths import home

    usual = home()
    with tempfile.TemporaryDirectory() as temporary:
        own = (folder or Path(temporary)).absolute()
        own.mkdir(parents=True, exist_ok=True)
        for name in FETCHED:
            (usual / name).mkdir(parents=True, exist_ok=True)
            if not (own / name).exists():
                (own / name).symlink_to(usual / name, target_is_directory=True)
        os.environ["DELREC_HOME"] = str(own)
        yield own


def _forget(folder: Path) -> None:
    """A run that was stopped, and what it left to others."""
    from engine import stage_cache

    for about in stage_cache.folder().glob(f"*/{stage_cache.ABOUT}"):
        if json.loads(about.read_text())["run"] == folder.name:
            shutil.rmtree(about.parent)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(*map(Path, sys.argv[2:]))
    else:
        sys.exit(main(sys.argv[1:]))
