"""What a run was made with: versions, processor, memory. Stored beside every result."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "numpy",
    "pandas",
    "safetensors",
    "tokenizers",
    "gradio",
    "huey",
    "sqlalchemy",
)
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def environment() -> dict[str, Any]:
    """Versions and machine, without importing any of the packages named."""
    return {
        "delrec_studio": metadata.version("delrec-studio"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "bf16_instructions": has_bf16(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def has_bf16() -> bool:
    """Whether the processor has bf16 instructions; without them such numbers are slow."""
    return bool(BF16_FLAGS & _flags())


def processor() -> str:
    """The processor's name as the system tells it."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def peak_memory_mb() -> float:
    """Largest resident set of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _flags() -> set[str]:
    info = _cpuinfo()
    return set((info.get("flags") or info.get("Features") or "").split())


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8").split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
