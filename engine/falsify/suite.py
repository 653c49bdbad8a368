"""Was the pattern distilled? Six tests that could show that it was not, on held-out users of a finished run.

The questions are about test histories, on which no stage was trained; earlier interactions of the same users were.
"""

from __future__ import annotations

from collections.abc import Collection

from engine.errors import StudioError
from engine.falsify.controls import Other, find_controls
from engine.falsify.experiment import FOLDER, FalsificationSample
from engine.falsify.record import COMPARING, FILE, RULES, USERS, Falsification, Finding, read_falsification
from engine.falsify.tests import TESTS
from engine.models import Models
from engine.monitor import SILENT, Monitor
from engine.run_folder import RunFolder
from engine.stage_files import FALSIFY


def falsify(
    models: Models,
    run: RunFolder,
    monitor: Monitor = SILENT,
    *,
    users: int = USERS,
    tests: Collection[int] = tuple(TESTS),
    other: Other | None = None,
    train: bool = False,
) -> Falsification:
    """Take the ``tests`` of a finished run and write ``falsification.json`` into its folder.

    >>> found = engine.falsify_run(models, run, users=6, tests=[2])
    >>> [(finding.number, finding.verdict) for finding in found.findings]  # so few users cannot tell
    [(2, 'not decided')]

    Other tests that were taken earlier of the same users stay in that file, those that depend on the controls only with
    the same ones.

    Args:
        other: the other teacher whose prompt is compared with, or a run whose prompt is.
        train: distil the prompts to compare with that are not there (:func:`find_controls`).

    Raises:
        Cancelled: the monitor asked to stop; asking again goes on from there.
        StudioError: the run has no soft prompt, there is no such test, fewer than two users are to be asked, or
            ``other`` does not fit.
    """
    if unknown := sorted(set(tests) - TESTS.keys()):
        raise StudioError(
            f"there is no test {unknown[0]}", where="tests", remedy=f"choose from {min(TESTS)} to {max(TESTS)}"
        )
    if models.soft_prompt is None:
        raise StudioError(
            "the run has no soft prompt to test", where="distill.prompt=none", remedy="test a run that distilled"
        )
    if users < 2 or len(models.split.test) < 2:
        raise StudioError("intervals need two users", where="users", remedy="ask more users")
    controls = find_controls(models, run, FOLDER, monitor, other=other, train=train)
    experiment = FalsificationSample(models, run, users, controls, monitor)
    findings: list[Finding] = []
    for number in sorted(tests):
        monitor.check()
        monitor.stage(f"falsify:{number}", "running")
        findings.append(TESTS[number](experiment))
        monitor.stage(f"falsify:{number}", "done")
    record = Falsification(
        run_id=run.run_id,
        dataset=models.dataset.name,
        teacher=models.teacher.name,
        users=len(experiment.examples),
        users_available=len(models.split.test),
        seed=models.config.seed,
        candidates=experiment.candidates.shape[1],
        rules=RULES,
        controls={control.name: control.source for control in controls},
        findings=findings,
    )
    record = _with_earlier(record, run)
    run.files.write(FALSIFY, run.path / FILE, record.to_json())
    experiment.forget_answers()
    return record


def _with_earlier(record: Falsification, run: RunFolder) -> Falsification:
    try:
        earlier = read_falsification(run)
    except StudioError:  # gone or damaged, as whoever read it was told: this one takes its place
        earlier = None
    if earlier is None:
        return record
    asked_alike = earlier.model_copy(update={"findings": record.findings, "controls": record.controls}) == record
    stay = [
        finding
        for finding in earlier.findings
        if asked_alike and (earlier.controls == record.controls or finding.number not in COMPARING)
    ]
    found = {finding.number: finding for finding in (*stay, *record.findings)}
    return record.model_copy(update={"findings": [found[number] for number in sorted(found)]})
