"""What a person at a terminal, and what a log, sees of a run's progress."""

from __future__ import annotations

import io

from rich.console import Console

from engine.monitor import Monitor
from webapp.commands._progress import shell_monitor


def _story(monitor: Monitor) -> None:
    monitor.message("fetching\n  something [red]odd[/red]")
    monitor.stage("teacher", "skipped", seconds=3.0)
    monitor.stage("distil", "running", total=40)
    monitor.progress("distil", 10, 40)
    monitor.metrics("distil", 11, {"loss": 2.5, "lr": 0.1, "validation.accuracy": 0.25})
    monitor.progress("distil", 30, 40)
    monitor.stage("distil", "done", seconds=12.0)
    monitor.stage("finetune", "running", total=5)


def test_plain_lines_where_there_is_no_terminal() -> None:
    screen = io.StringIO()
    with shell_monitor(Console(file=screen, width=60)) as monitor:
        _story(monitor)
    assert screen.getvalue().splitlines() == [
        "fetching something [red]odd[/red]",
        "Train teacher done before",
        "Stage 1: distil soft prompt …",
        "Stage 1: distil soft prompt done in 12.0 s  loss 2.500  validation.accuracy 0.250",
        "Stage 2: fine-tune with AdaLoRA …",
    ]


def test_bars_in_a_terminal() -> None:
    screen = io.StringIO()
    with shell_monitor(Console(file=screen, width=160, force_terminal=True, color_system=None)) as monitor:
        _story(monitor)
        assert not monitor.should_stop()
    last = [line for line in screen.getvalue().splitlines() if " left " in line][-3:]
    assert "Train teacher" in last[0]
    assert "done before" in last[0]
    assert "Stage 1: distil soft prompt" in last[1]
    assert "done in 12 s" in last[1]
    assert "loss 2.500  validation.accuracy 0.250" in last[1]
    assert "Stage 2: fine-tune with AdaLoRA" in last[2]
    assert "loss" not in last[2]


def test_bar_counts_what_an_earlier_attempt_did() -> None:
    screen = io.StringIO()
    with shell_monitor(Console(file=screen, width=160, force_terminal=True, color_system=None)) as monitor:
        monitor.stage("distil", "running", total=40)
        monitor.progress("distil", 30, 40)
    assert "30/40" in screen.getvalue()
