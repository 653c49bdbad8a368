"""Was the pattern distilled? Six tests that could show that it was not, on held-out users of a finished run.

The questions are about test histories, on which no stage was trained; earlier interactions of the same users were.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import ValidationError

from engine.errors import StudioError
from engine.evaluate.falsify_bench import Bench
from engine.evaluate.falsify_controls import Control
from engine.evaluate.falsify_record import RULES, Falsification, Finding
from engine.evaluate.falsify_tests import TESTS
from engine.models import Models
from engine.monitor import Monitor
from engine.run_folder import RunFolder, write_text

USERS = 300
FILE = "falsification.json"


def falsify(
    models: Models,
    run: RunFolder,
    monitor: Monitor,
    *,
    users: int = USERS,
    tests: Collection[int] = tuple(TESTS),
    controls: Sequence[Control] = (),
) -> Falsification:
    """Take the ``tests`` of a finished run and write ``falsification.json`` into its folder.

    Other tests that were taken earlier of the same users, with the same controls, stay in that file.

    Raises:
        Cancelled: the monitor asked to stop; asking again goes on from there.
        StudioError: the run has no soft prompt, there is no such test, or fewer than two users are to be asked.
    """
    if unknown := sorted(set(tests) - TESTS.keys()):
        raise StudioError(
            f"there is no test {unknown[0]}", where="tests", remedy=f"choose from {min(TESTS)} to {max(TESTS)}"
        )
    bench = Bench(models, run, users, controls, monitor)
    findings: list[Finding] = []
    for number in sorted(tests):
        monitor.check()
        monitor.stage(f"falsify:{number}", "running")
        findings.append(TESTS[number](bench))
        monitor.stage(f"falsify:{number}", "done")
    record = Falsification(
        run_id=run.run_id,
        dataset=models.dataset.name,
        teacher=models.teacher.name,
        users=len(bench.examples),
        users_available=len(models.split.test),
        seed=models.config.seed,
        candidates=bench.candidates.shape[1],
        rules=RULES,
        controls={control.name: control.source for control in controls},
        findings=findings,
    )
    record = _with_earlier(record, run.path / FILE)
    write_text(run.path / FILE, record.to_json())
    bench.forget_answers()
    return record


def read_falsification(run: RunFolder) -> Falsification | None:
    """What :func:`falsify` wrote; ``None`` if it never ran, or another version wrote it."""
    return _read(run.path / FILE)


def _read(path: Path) -> Falsification | None:
    try:
        return Falsification.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _with_earlier(record: Falsification, path: Path) -> Falsification:
    earlier = _read(path)
    if earlier is None or earlier.model_copy(update={"findings": record.findings}) != record:
        return record
    found = {finding.number: finding for finding in (*earlier.findings, *record.findings)}
    return record.model_copy(update={"findings": [found[number] for number in sorted(found)]})
