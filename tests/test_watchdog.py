"""Of several processes one that hangs ends the others, with its name; one that works for long does not."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.queues import Queue

import pytest
from ports import free_port

from engine import distributed, watchdog

PATIENCE = 60.0
HANG = 600.0
SILENT, DEADLOCK = 4.0, 6.0


def stops() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def waits_elsewhere() -> None:
    with watchdog.exchange():
        time.sleep(HANG)


def works_for_long() -> None:
    time.sleep(2 * SILENT)


def leaves() -> None:
    """It has done its part; those that stay do more."""


def _part(rank: int, port: int, who: int, does: Callable[[], None], told: Queue[tuple[int, str]]) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_PORT=str(port))
    os.environ.update(MASTER_ADDR="127.0.0.1", ACCELERATE_USE_CPU="true", OMP_NUM_THREADS="1")
    watchdog.BEAT_SECONDS, watchdog.SILENT_SECONDS, watchdog.DEADLOCK_SECONDS = 0.1, SILENT, DEADLOCK

    def hung(what: str) -> None:
        told.put((rank, what))
        told.close()
        told.join_thread()
        os._exit(1)

    with distributed.joined(hung):
        distributed.barrier()
        if rank == who:
            does()
        elif does is leaves:
            time.sleep(2 * SILENT)
        if does is not leaves:
            distributed.barrier()
    told.put((rank, "done"))


def together(
    who: int, does: Callable[[], None], meanwhile: Callable[[list[int]], None] | None = None
) -> dict[int, str]:
    """What each of two processes told, or the one that ends both, by its number; number ``who`` does this between two
    barriers, and ``meanwhile`` is called with the numbers by which the system knows them."""
    context = multiprocessing.get_context("fork")
    told: Queue[tuple[int, str]] = context.Queue()
    port = free_port()
    started = [context.Process(target=_part, args=(rank, port, who, does, told)) for rank in range(2)]
    for process in started:
        process.start()
    try:
        if meanwhile is not None:
            meanwhile([process.pid or 0 for process in started])
        found = [told.get(timeout=PATIENCE)]
        if found[0][1] == "done":
            found.append(told.get(timeout=PATIENCE))
    finally:
        for process in started:
            process.kill()
            process.join()
    return dict(found)


@pytest.mark.parametrize("who", [0, 1])
def test_a_process_that_is_stopped_is_named_by_the_other(who: int) -> None:
    ((other, said),) = together(who, stops).items()
    assert other == 1 - who
    assert f"process {who + 1} of 2 has given no sign of life" in said


@pytest.mark.parametrize("who", [0, 1])
def test_processes_that_wait_for_each_other_are_told_by_the_first(who: int) -> None:
    ((first, said),) = together(who, waits_elsewhere).items()
    assert first == 0
    assert "the 2 processes wait for each other" in said


@pytest.mark.parametrize("does", [works_for_long, leaves])
@pytest.mark.parametrize("who", [0, 1])
def test_one_that_works_for_long_or_has_left_is_waited_for(who: int, does: Callable[[], None]) -> None:
    assert together(who, does) == {0: "done", 1: "done"}


def test_that_all_were_stopped_together_is_nobodys_silence() -> None:
    """As by Ctrl-Z."""

    def pause(started: list[int]) -> None:
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in started:
                os.kill(pid, number)
            time.sleep(2 * SILENT)

    assert together(1, works_for_long, pause) == {0: "done", 1: "done"}
