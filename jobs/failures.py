"""Why a run failed, in a few words for people, and what to do about it."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

from engine.errors import StudioError

CHECKPOINT = "resume it: it goes on from its last checkpoint"
LOG = "the log tells more; resume goes on from the last checkpoint"
OUT_OF_MEMORY = (
    "out of memory",
    "clone it with lower llm.batch_size, or that of distill, finetune or plus, or close other programs and resume",
)
ANSWER_KILLED = ("the process that answers was killed, twice", "close other programs to free memory, then ask again")
ANSWER_STOPPED = ("stopped", "ask again to go on")
OTHER_CODE = (
    "it was asked by another version of the program",
    "ask again; restart the app if that does not help",
)
MEMORY_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
LONGEST = 300


def explain(error: BaseException) -> tuple[str, str]:
    """Reason and remedy of an exception that ended a run."""
    if isinstance(error, StudioError):
        place = f" ({error.where})" if error.where else ""
        return _line(f"{error.what}{place}"), _line(error.remedy)
    text = str(error)
    if isinstance(error, MemoryError) or any(sign in text.lower() for sign in MEMORY_SIGNS):
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full", "free some space, then resume it"
    return _line(f"crashed: {type(error).__name__}: {text}"), LOG


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
    if code < 0:
        return f"killed from outside ({signal.Signals(-code).name})", CHECKPOINT
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it left no word in its log")
    return _line(f"crashed with exit status {code}: {last}"), LOG


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
