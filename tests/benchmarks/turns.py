"""Sides of a comparison take turns, so that whatever else the machine does meets both."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

Turn = Callable[[], float]
"""Does some work and returns how much of it."""


@dataclass(frozen=True)
class Took:
    """One turn: work per second by the clock and by processor time, and the largest resident memory so far (MiB)."""

    clock: float
    processor: float
    peak: float


def _side(connection: Connection, make: Callable[[str], Turn], name: str) -> None:
    """The process of one side: does a turn whenever it is told to, after one that does not count."""
    import torch

    from engine.environment import peak_memory_mb

    torch.manual_seed(0)
    turn = make(name)
    turn()
    connection.send(None)
    while connection.recv():
        clock, processor = time.perf_counter(), time.process_time()
        work = turn()
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        connection.send(Took(work / clock, work / processor, peak_memory_mb()))


def take_turns(make: Callable[[str], Turn], names: Sequence[str], turns: int) -> dict[str, list[Took]]:
    """Let the sides take turns, each in a process of its own, where ``make``, of a module, makes it by its name."""
    context = multiprocessing.get_context("spawn")
    found: dict[str, list[Took]] = {name: [] for name in names}
    links = {}
    for name in names:
        links[name], theirs = context.Pipe()
        context.Process(target=_side, args=(theirs, make, name), daemon=True).start()
        theirs.close()
        links[name].recv()
    for _ in range(turns):
        for name in names:
            links[name].send(True)
            found[name].append(links[name].recv())
    for link in links.values():
        link.send(False)
    return found
