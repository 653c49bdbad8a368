"""Why a run failed, in a few words for people, and what to do about it."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from pathlib import Path

from engine.errors import StudioError

CHECKPOINT = "resume it: it goes on from its last checkpoint"
LOG = "the log tells more; resume goes on from the last checkpoint"
OUT_OF_MEMORY = (
    "out of memory",
    "clone it with lower llm.micro_batch and llm.batch_size, llm.checkpointing=true or llm.weights=4bit, or close other"
    " programs and resume",
)
ANSWER_KILLED = ("the process that answers was killed, twice", "close other programs to free memory, then ask again")
ANSWER_STOPPED = ("stopped", "ask again to go on")
OTHER_CODE = (
    "it was asked by another version of the program",
    "ask again; restart the app if that does not help",
)
MEMORY_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
DISK_FULL = "the disk is full"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL_SIGNS = ("no space left on device", "disk quota exceeded", "disk is full", "file too large")
"""Libraries that write by themselves tell it by text alone."""
FULL_DISK_STATUS = 5
UNWRITABLE = {errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE}
LONGEST = 300


def known(error: BaseException, then: str = "try again") -> StudioError | None:
    """The exception as a sentence for people, if it tells of a resource that gave out or cannot be used.

    ``then`` is what to do once there is room again.
    """
    if isinstance(error, StudioError):
        return error
    if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in MEMORY_SIGNS):
        return StudioError(OUT_OF_MEMORY[0], remedy=OUT_OF_MEMORY[1])
    causes = list(_causes(error))
    path = next((str(cause.filename) for cause in causes if isinstance(cause, OSError) and cause.filename), "")
    if any(_tells_of_full_disk(cause) for cause in causes):
        return StudioError(DISK_FULL, where=path, remedy=f"free some space, then {then}")
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in UNWRITABLE:
            remedy = f"check the disk and the rights, then {then}"
            return StudioError(f"a file cannot be used: {cause.strerror}", where=path, remedy=remedy)
    return None


def explain(error: BaseException) -> tuple[str, str]:
    """Reason and remedy of an exception that ended a run."""
    message = known(error, "resume it")
    if message is None:
        return _line(f"crashed: {type(error).__name__}: {error}"), LOG
    place = f" ({message.where})" if message.where else ""
    return _line(f"{message.what}{place}"), _line(message.remedy)


def exit_status(error: BaseException) -> int:
    """With what a process ends that could not write down why; :func:`explain_exit` reads it."""
    return FULL_DISK_STATUS if any(_tells_of_full_disk(cause) for cause in _causes(error)) else 1


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those that it came from: libraries wrap the one that tells what happened."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _tells_of_full_disk(error: BaseException) -> bool:
    return getattr(error, "errno", None) in FULL or any(sign in str(error).lower() for sign in FULL_SIGNS)


def explain_answer(error: BaseException) -> tuple[str, str]:
    """Reason and remedy of an exception in place of an answer about a finished run."""
    reason, remedy = explain(error)
    return reason, remedy if isinstance(error, StudioError) else "ask again; what the worker printed tells more"


def explain_exit(code: int, log: Path, memory_kills: int) -> tuple[str, str]:
    """Reason and remedy when a process ended without a word: exit status as of :class:`subprocess.Popen`.

    ``memory_kills`` counts what the kernel killed for memory while the process ran.
    """
    if code == -signal.SIGKILL and memory_kills:
        return OUT_OF_MEMORY
    if code == FULL_DISK_STATUS:
        return DISK_FULL, "free some space, then resume it"
    if code < 0:
        return f"killed from outside ({signal.Signals(-code).name})", CHECKPOINT
    return _line(f"crashed with exit status {code}: {last_word(log)}"), LOG


def last_word(log: Path) -> str:
    """The last line of what a process wrote."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return _line(next((line for line in reversed(lines) if line.strip()), "it left no word in its log"))


def memory_kills() -> int:
    """Processes that the kernel has killed for memory since it started; 0 where it does not say."""
    try:
        counters = Path("/proc/vmstat").read_text(encoding="ascii").split("\n")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in counters if line.startswith("oom_kill ")), 0)


def _line(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= LONGEST else f"{joined[: LONGEST - 1]}…"
