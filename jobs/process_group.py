"""The processes that work on one run together: starts the others beside this one, and says why one of them died.

A launcher (``torchrun``, ``accelerate launch``) may have started them all; then it watches over them too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from db import lifecycle
from engine import interpreter
from engine.config import RunConfig
from engine.environment import cores
from engine.errors import Cancelled, StudioError
from engine.registered import registered
from engine.settings import make_config
from jobs import failures, process, resources

ProcessTask = tuple[str, tuple[Any, ...]]
"""A function, as ``module:name``, and its arguments."""
OTHER = interpreter.command("jobs.process_group")
LOST_STATUS = 4
"""How one ends whose connection broke: not of its own fault."""
EXPLAINED_STATUS = 6
"""How one ends that has told why, in a sentence for people."""
READ_ITS_LOG = "what it wrote where it was started says why; mend that, then resume the run"
SETTLE_SECONDS = 10.0
"""Once one has died, the others notice by their connections; this process is ended if it has not by then …"""
END_SECONDS = 20.0
"""… and at the end the others may take so long to leave."""


def launched() -> int:
    """Of how many processes a launcher started this one as a part; 1: it was started alone."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def is_worker_rank() -> bool:
    """Whether a launcher started this one as another than the first, which is told what to do."""
    return launched() > 1 and os.environ.get("RANK", "0") != "0"


@contextlib.contextmanager
def working(
    config: RunConfig,
    folder: Path,
    count: int,
    give_up: Callable[[str, str], None],
    command: Sequence[str] = OTHER,
    task: ProcessTask | None = None,
) -> Iterator[None]:
    """Within, this is the first of ``count`` processes that run ``config`` in ``folder``; alone where that is one.

    Args:
        task: what the others do instead of running it, about the run in the folder.
        give_up: told why, before this process is ended because another one died or hangs and it does not come to
            notice.
        command: the program that the others are.

    Raises:
        StudioError: in the place of what broke because another process died: why that one did.
    """
    remedy = failures.CHECKPOINT if task is None else "start it again"
    if launched() > 1:

        def hung(who: str) -> None:  # the launcher ends the others
            give_up(who, remedy)
            os._exit(1)

        try:
            with _first(task or _run_task(config, folder), hung):
                yield
        except Exception as error:
            from engine.watchdog import is_connection_error

            if isinstance(error, StudioError) or not is_connection_error(error):
                raise
            raise StudioError("another process of the run has ended", where=str(folder), remedy=READ_ITS_LOG) from error
        return
    if count == 1:
        yield
        return
    others = _Others(folder, count, resources.only_on_cpu(config), command, give_up)
    try:
        with others.environment(), _first(task or _run_task(config, folder), lambda who: others.abandon(who, remedy)):
            yield
    except (Cancelled, KeyboardInterrupt, StudioError):
        others.end(0)
        raise
    except Exception as error:
        from engine.watchdog import is_connection_error

        fault = others.fault(SETTLE_SECONDS) if is_connection_error(error) else None
        others.end(0)
        if fault is None:
            raise
        raise StudioError(fault[0], remedy=fault[1] if task is None else remedy) from error
    except BaseException:
        others.end(0)
        raise
    others.end(END_SECONDS)
    for log in others.logs.values():
        log.unlink(missing_ok=True)


@contextlib.contextmanager
def _first(task: ProcessTask, hung: Callable[[str], None]) -> Iterator[None]:
    from engine import distributed

    with distributed.joined(hung):
        distributed.broadcast((task, os.environ.get(process.MARK, "")))
        yield


def help_the_first(its_child: bool = False) -> None:
    """Be one of the others: do as the first says, until the end of it.

    Args:
        its_child: no launcher has started this process, but the first one.

    Raises:
        Cancelled, StudioError: as the recipe.
    """
    from engine import distributed

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the first one decides
        signal.signal(number, signal.SIG_IGN)
    parent = os.getppid()
    process.end_with_parent(parent, lambda: os._exit(LOST_STATUS))
    run_id = os.environ.get(process.MARK, "")

    def hung(who: str) -> None:
        """It is the first that hangs, so another one says why the run ends; a launcher ends the first by itself."""
        sys.stderr.write(f"{who} — {failures.CHECKPOINT}\n")
        with contextlib.suppress(SQLAlchemyError, StudioError):
            lifecycle.finish(run_id, "failed", error=who, remedy=failures.CHECKPOINT)
        if its_child and os.getppid() == parent:
            os.kill(parent, signal.SIGKILL)
        os._exit(EXPLAINED_STATUS)

    with distributed.joined(hung):
        nothing: ProcessTask = ("", ())
        (function, arguments), run_id = distributed.broadcast((nothing, run_id))
        registered(function)(*arguments)


def _run_task(config: RunConfig, folder: Path) -> ProcessTask:
    return "jobs.process_group:run", (config.model_dump(mode="json"), str(folder))


def run(values: dict[str, Any], folder: str) -> None:
    """Another process's part of a run."""
    from engine.monitor import Monitor
    from engine.pipeline import run_pipeline

    run_pipeline(make_config(values), Path(folder), Monitor())


def answer(kind: str, folder: str, request: dict[str, Any]) -> None:
    """Another process's part of an answer about a finished run, as of :mod:`jobs.requests`."""
    from jobs import requests

    requests.load(kind)(Path(folder), request, lambda _: None)


def falsify(folder: str, users: int, tests: list[int], other: Any, train: bool) -> None:
    """Another process's part of :func:`engine.falsify.suite.falsify`."""
    from engine.falsify import suite
    from engine.models import Models
    from engine.run_folder import RunFolder

    run_folder = RunFolder.open(folder)
    suite.falsify(Models.load(run_folder), run_folder, users=users, tests=tests, other=other, train=train)


class _Others:
    """The processes beside the first, and the thread that watches them."""

    def __init__(
        self, folder: Path, count: int, cpu: bool, command: Sequence[str], give_up: Callable[[str, str], None]
    ) -> None:
        self.count, self.give_up = count, give_up
        self.shared = {
            **{"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)},
            **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())},
            **({"ACCELERATE_USE_CPU": "true"} if cpu else {}),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // count)),
        }
        self.kills = failures.memory_kills()
        self.logs = {rank: folder / f"process-{rank}.log" for rank in range(1, count)}
        self.started: dict[int, subprocess.Popen[bytes]] = {}
        self.ended = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        for rank, log in self.logs.items():
            with log.open("wb") as file:
                self.started[rank] = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=interpreter.environment(**self.shared, RANK=str(rank), LOCAL_RANK=str(rank)),
                )
        self.watch = threading.Thread(target=self._watch, name="other-processes", daemon=True)
        self.watch.start()

    @contextlib.contextmanager
    def environment(self) -> Iterator[None]:
        """What tells libraries which process this is, as a launcher would have."""
        own = self.shared | {"RANK": "0", "LOCAL_RANK": "0"}
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def fault(self, seconds: float = 0.0) -> tuple[str, str] | None:
        """Why one of them died of itself, and what to do; ``None``: none has, within ``seconds``."""
        for rank, other in self.started.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                other.wait(seconds)
            if other.returncode not in (None, 0, LOST_STATUS):
                kills = failures.memory_kills() - self.kills
                reason, remedy = failures.explain_exit(other.returncode, self.logs[rank], kills)
                if other.returncode == EXPLAINED_STATUS:
                    reason, remedy = failures.last_word(self.logs[rank]), failures.CHECKPOINT
                return f"process {rank + 1} of {self.count} ended: {reason}", remedy
        return None

    def end(self, seconds: float) -> None:
        """They are given ``seconds`` to end by themselves, then killed."""
        self.ended.set()
        for other in self.started.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                other.wait(seconds)
            other.kill()
            other.wait()
        self.watch.join()

    def abandon(self, reason: str, remedy: str) -> None:
        """End them and this process, from another thread than that which waits for them."""
        self.give_up(reason, remedy)  # first: once they are gone, the thread that waits would give that as the reason
        for other in self.started.values():
            other.kill()
        os._exit(1)

    def _watch(self) -> None:
        while not self.ended.wait(0.2):
            if (fault := self.fault()) is not None:
                if not self.ended.wait(SETTLE_SECONDS):  # waiting for what never comes, or computing for long
                    self.abandon(*fault)
                return


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    from engine.watchdog import is_connection_error

    try:
        help_the_first(its_child=True)
    except Cancelled:
        sys.exit(0)
    except Exception as error:
        if (message := failures.known(error)) is not None:
            sys.stderr.write(f"{message}\n")
            sys.exit(EXPLAINED_STATUS)
        if is_connection_error(error):
            sys.exit(LOST_STATUS)
        raise
