"""Notices that one of several processes hangs: a thread in each gives signs of life, and looks for those of others.

One that died is noticed by its connection. One that is stopped, or whose machine is out of reach, keeps it and answers
nothing; two that wait for each other at different points do so for ever. The first process looks after all others, and
they after the first. What takes long by itself, such as reading weights, is no reason: threads go on meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

BEAT_SECONDS = 2.0
SILENT_SECONDS = 120.0
"""Without a sign of life for so long a process hangs; it may have to wait for memory, or a library keep all threads."""
DEADLOCK_SECONDS = 600.0
"""No exchange takes so long that all have come to."""
ANSWER_SECONDS = 10.0
"""So long the end waits for the store, which is in the first process or in its launcher."""
LEFT = "left"
SIGNS = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")
"""In what the libraries say of a lost connection."""


class _Exchanges:
    """Of this process: how many it has begun, and how many it is in, one within the other."""

    begun = within = 0


@contextlib.contextmanager
def exchange() -> Iterator[None]:
    """Within, this process waits until the others have come to the same point."""
    _Exchanges.begun += 1
    _Exchanges.within += 1
    try:
        yield
    finally:
        _Exchanges.within -= 1


@contextlib.contextmanager
def watching(store: Store, rank: int, count: int, hung: Callable[[str], None] | None) -> Iterator[None]:
    """Within, this process gives signs of life in ``store``, which all have, and looks for those of others.

    Args:
        hung: told, once and in a thread of its own, who hangs, in words; it is to end this process. ``None``: nobody is
            looked after.
    """
    if hung is None:
        yield
        return
    _Exchanges.within = 0
    watchdog = _Watchdog(store, rank, count)
    threads = [
        threading.Thread(target=watchdog.exchange_signs, name="signs-of-life", daemon=True),
        threading.Thread(target=watchdog.watch, args=(hung,), name="watchdog", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        watchdog.ended.set()
        for thread in threads:
            thread.join(ANSWER_SECONDS)


class _Watchdog:
    def __init__(self, store: Store, rank: int, count: int) -> None:
        self.store, self.rank, self.count = store, rank, count
        self.others = [other for other in range(count) if other != rank] if rank == 0 else [0]
        self.signs: dict[int, str] = {}
        """The last of each: beats, exchanges, and depth."""
        self.silence = dict.fromkeys(self.others, 0.0)
        """Seconds since each gave its last sign of life."""
        self.waited = 0.0
        """Seconds in which all were in an exchange, and none came to another."""
        self.ended = threading.Event()

    def exchange_signs(self) -> None:
        """In a thread of its own: a question to a process that is stopped has no answer, whatever time-out is set."""
        beats = 0
        try:
            own: Store = self.store.clone()  # type: ignore[attr-defined] # the main thread may wait at the other
            while not self.ended.wait(BEAT_SECONDS):
                beats += 1
                sign = f"{beats} {_Exchanges.begun} {_Exchanges.within}"
                own.set(self._key(self.rank), sign)
                self.signs = self.signs | {self.rank: sign} | self._told(own)
            own.set(self._key(self.rank), LEFT)
        except RuntimeError:  # a connection that breaks tells of an end, not that somebody hangs
            self.signs = self.signs | dict.fromkeys(self.others, LEFT)

    def _told(self, store: Store) -> dict[int, str]:
        there = [other for other in self.others if store.check([self._key(other)])]
        return {other: store.get(self._key(other)).decode() for other in there}

    def watch(self, hung: Callable[[str], None]) -> None:
        """Until somebody hangs, which ``hung`` is told, or until the end."""
        seen, looked = self.signs, time.monotonic()
        while not self.ended.wait(BEAT_SECONDS):
            before, seen, now = seen, self.signs, time.monotonic()
            # All may have been stopped together, as by Ctrl-Z: that is nobody's silence.
            passed, looked = min(now - looked, 2 * BEAT_SECONDS), now
            if (who := self._judge(before, seen, passed)) and not self.ended.is_set():
                hung(who)
                return

    def _judge(self, before: dict[int, str], seen: dict[int, str], passed: float) -> str:
        """Who hangs, in words, if anybody, by the signs at two looks with ``passed`` seconds between them."""
        for other in self.others:
            sign = seen.get(other)
            alive = sign == LEFT or sign != before.get(other)
            self.silence[other] = 0.0 if alive else self.silence[other] + passed
            if self.silence[other] >= SILENT_SECONDS:
                return (
                    f"process {other + 1} of {self.count} has given no sign of life for {self.silence[other]:.0f} s:"
                    " it was stopped, or its machine is out of reach"
                )
        if self.rank == 0:
            still = _exchanges(before) == _exchanges(seen)
            inside = all(sign == LEFT or not sign.endswith(" 0") for sign in seen.values())
            self.waited = self.waited + passed if still and inside and len(seen) == self.count else 0.0
            if self.waited >= DEADLOCK_SECONDS:
                return f"the {self.count} processes wait for each other, and none has got on for {self.waited:.0f} s"
        return ""

    @staticmethod
    def _key(rank: int) -> str:
        return f"watchdog/{rank}"


def _exchanges(signs: dict[int, str]) -> list[str]:
    return [sign.partition(" ")[2] for _, sign in sorted(signs.items())]


def is_connection_error(error: BaseException | None) -> bool:
    """Whether this tells that another process has ended, not what for."""
    from torch import distributed

    while error is not None:
        if isinstance(error, distributed.DistError) or (
            isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
