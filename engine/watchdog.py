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
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

BEAT_SECONDS = 2.0
SILENT_SECONDS = 120.0
"""Without a sign of life for so long a process hangs; it may have to wait for memory, or a library keep all threads."""
DEADLOCK_SECONDS = 600.0
"""No exchange takes so long that all have come to."""
ANSWER_SECONDS = 10.0
"""So long the store may take, which is in the first process or in its launcher."""
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
    thread = threading.Thread(target=watchdog.watch, args=(hung,), name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watchdog.ended.set()
        thread.join()


class _Watchdog:
    def __init__(self, store: Store, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        self.others = [other for other in range(count) if other != rank] if rank == 0 else [0]
        self.silence = dict.fromkeys(self.others, 0.0)
        """Seconds since each gave its last sign of life."""
        self.waited = 0.0
        """Seconds in which all were in an exchange, and none came to another."""
        self.signs: dict[int, str] = {}
        self.ended = threading.Event()
        self.store = self._connected(store)

    @staticmethod
    def _connected(store: Store) -> Store:
        """By a connection of its own: the main thread may wait at the other."""
        own: Store = store.clone()  # type: ignore[attr-defined] # it is documented
        own.set_timeout(timedelta(seconds=ANSWER_SECONDS))
        return own

    def watch(self, hung: Callable[[str], None]) -> None:
        beats, looked = 0, time.monotonic()
        while not self.ended.wait(BEAT_SECONDS):
            beats += 1
            signs = self._exchanged(f"{beats} {_Exchanges.begun} {_Exchanges.within}")
            # All may have been stopped together, as by Ctrl-Z: that is nobody's silence.
            passed = min(time.monotonic() - looked, 2 * (BEAT_SECONDS + ANSWER_SECONDS))
            looked = time.monotonic()
            if (who := self._judge(signs, passed)) and not self.ended.is_set():
                hung(who)
                return
        with contextlib.suppress(RuntimeError):
            self.store.set(self._key(self.rank), LEFT)

    def _exchanged(self, own: str) -> dict[int, str]:
        """The last signs of all that can be had, this process's ``own`` among them: beats, exchanges, and depth."""
        signs = {self.rank: own}
        try:
            self.store.set(self._key(self.rank), own)
            for other in self.others:
                if self.store.check([self._key(other)]):
                    signs[other] = self.store.get(self._key(other)).decode()
        except RuntimeError:  # an answer that comes too late would be taken for that of the next question
            with contextlib.suppress(RuntimeError):
                self.store = self._connected(self.store)
        return signs

    def _judge(self, signs: dict[int, str], passed: float) -> str:
        """Who hangs, in words, if anybody; ``passed`` are the seconds since the last look."""
        before, self.signs = self.signs, self.signs | signs
        for other in self.others:
            sign = self.signs.get(other)
            alive = sign == LEFT or sign != before.get(other)
            self.silence[other] = 0.0 if alive else self.silence[other] + passed
            if self.silence[other] >= SILENT_SECONDS:
                return (
                    f"process {other + 1} of {self.count} has given no sign of life for {self.silence[other]:.0f} s:"
                    " it was stopped, or its machine is out of reach"
                )
        if self.rank == 0:
            still = _exchanges(before) == _exchanges(self.signs)
            inside = all(sign == LEFT or not sign.endswith(" 0") for sign in self.signs.values())
            self.waited = self.waited + passed if still and inside and len(self.signs) == self.count else 0.0
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
