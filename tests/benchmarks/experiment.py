"""What an experiment costs beside its runs one by one: ``python tests/benchmarks/experiment.py [--preset quickstart]``.

Every run of a template twice, each in a process of its own, as a worker starts it: with what the runs before it have
made, and with nothing shared; both ways take turns, so that whatever else the machine does meets both. Told are seconds
by the clock and of the processor, their ratios, where they go, and whether the two ways agree to the last digit: in all
of ``metrics.json`` but times and memory, and in every score of ``predictions.parquet``. If not, it exits with 1.

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
    """Seconds of a run by the clock and of its processor, and by stage of what it made itself."""

    clock: float
    processor: float
    stages: Mapping[str, float]


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


def measured(config: Any, folder: Path, *, sharing: bool) -> Cost:
    """What one run costs; one that is done is not repeated, one that was stopped begins anew."""
    from engine.run_folder import RunFolder

    if not (folder / COST).exists():
        _forget(folder)
        settings = folder.with_suffix(".json")
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(config.model_dump_json())
        environment = {**os.environ, "DELREC_SHARED_MB": "4000" if sharing else "0"}
        began = time.monotonic()
        child = subprocess.Popen([sys.executable, __file__, "--run", settings, folder], env=environment)
        _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"{folder} failed")
        cost = {"clock": time.monotonic() - began, "processor": used.ru_utime + used.ru_stime}
        (folder / COST).write_text(json.dumps(cost))
    stages = RunFolder(folder).stages()
    made = {stage["name"]: stage["seconds"] for stage in stages if not stage.get("source")}
    return Cost(**json.loads((folder / COST).read_text()), stages=made)


def unlike(one: Path, other: Path) -> list[str]:
    """Where two runs differ: keys of their reports, rows of their scores."""
    from engine.evaluate import read_scores

    reports = [json.loads((folder / "metrics.json").read_text()) for folder in (one, other)]
    scores = [read_scores(folder / "predictions.parquet").of for folder in (one, other)]
    found = [key for key in reports[0] if key not in UNLIKE and reports[0][key] != reports[1][key]]
    return found + [row for row in scores[0] if not (scores[0][row] == scores[1][row]).all()]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=("smoke", "quickstart"), default="smoke")
    parser.add_argument("--template", default="ablations")
    parser.add_argument("--folder", type=Path, help="where runs are kept; by default none are")
    chosen = parser.parse_args(arguments)
    from engine.experiment.parsing import make_plan
    from engine.experiment.plan import expand
    from engine.settings import load_config

    planned = expand(make_plan(chosen.preset, load_config(chosen.preset), template=chosen.template))
    with _home(chosen.folder) as home:
        prepare(planned[0].config)
        ways: dict[str, list[Cost]] = {"alone": [], "shared": []}
        differing: dict[str, list[str]] = {}
        print(f"{'seconds by the clock':<28}{'alone':>9}{'shared':>9}{'ratio':>7}", flush=True)
        for number, it in enumerate(planned):
            folders = {way: home / "runs" / f"{way}-{number}" for way in ways}
            for way, costs in ways.items():
                costs.append(measured(it.config, folders[way], sharing=way == "shared"))
            _line(it.label, *(costs[-1].clock for costs in ways.values()))
            if found := unlike(*folders.values()):
                differing[it.label] = found
        return report(ways["alone"], ways["shared"], differing, f"{chosen.template} on {chosen.preset}")


def report(alone: Sequence[Cost], shared: Sequence[Cost], differing: Mapping[str, list[str]], what: str) -> int:
    """Print the sums, where they go, and whether figures are equal."""
    names = dict.fromkeys(name for cost in alone for name in cost.stages)
    for name in names:
        _line(f"  {name}", *(sum(cost.stages.get(name, 0.0) for cost in way) for way in (alone, shared)))
    clock = [sum(cost.clock for cost in way) for way in (alone, shared)]
    processor = [sum(cost.processor for cost in way) for way in (alone, shared)]
    _line("all, by the clock", *clock)
    _line("all, of the processor", *processor)
    print(f"{what}, {len(alone)} runs: {clock[1] / clock[0]:.2f} of their costs one by one; promised {PROMISED}")
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
