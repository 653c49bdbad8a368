"""Runs in the foreground: progress on standard error, the table on standard output, how to go on after Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from engine.errors import Cancelled
from engine.evaluate.render import print_report
from engine.evaluate.report import Report
from engine.monitor import Monitor
from engine.whole_files import write_text
from jobs import api
from webapp.commands._progress import shell_monitor


def foreground(work: Callable[[Monitor], dict[str, Any]], target: Path | None) -> None:
    """Do ``work``, which returns the object of ``metrics.json``; show it, and write it to ``target`` if given.

    Raises:
        Cancelled: it was stopped; says how to go on.
    """
    console = Console(stderr=True)
    try:
        with shell_monitor(console) as monitor:
            found = work(monitor)
    except (Cancelled, KeyboardInterrupt):
        mine = [run for run in api.runs(limit=20) if run.pid == os.getpid() and run.resumable]
        raise Cancelled(f"go on with: delrec resume {mine[0].id}" if mine else "") from None
    report = Report.model_validate(found)
    if target is not None:
        write_text(target, report.to_json())
    print_report(report, Console())
    run = api.status(report.run_id)
    console.print(f"Run {run.id} ({run.name}) is kept in {run.folder}", soft_wrap=True, markup=False, highlight=False)
