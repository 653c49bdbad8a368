"""What a run was made with: versions, processor, memory. Stored beside every result."""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import platform
import resource
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from engine.architectures import ARCHITECTURES
from engine.backbones import BACKBONES
from engine.verbalizers import VERBALIZERS

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
REGISTERS = {
    "engine.teachers.train": [it.network for it in ARCHITECTURES.values()],
    "engine.llm.sources": [place for it in BACKBONES.values() for place in (it.backbone, it.tiny)],
    "engine.llm.verbalizers": [it.verbalizer for it in VERBALIZERS.values()],
}
"""What modules import by its name in a register (:mod:`engine.registered`)."""
ROOT = str(Path(__file__).resolve().parents[1])
"""Where this program lies."""
KFD = Path("/dev/kfd")
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@functools.cache
def code_version() -> str:
    """Twelve hex digits that change with the code of this library: what other code measured may be another thing."""
    root = Path(__file__).parent
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        whole.update(f"{path.relative_to(root).as_posix()}\0".encode())
        whole.update(path.read_bytes() + b"\0")
    return whole.hexdigest()[:12]


@functools.cache
def stage_code(modules: tuple[str, ...]) -> str:
    """The same of these modules of the library and of all its modules that they import, from wherever within them."""
    read = modules_behind(modules)
    return hashlib.sha256(b"".join(f"{name}\0".encode() + read[name] for name in sorted(read))).hexdigest()[:12]


def modules_behind(modules: Iterable[str]) -> dict[str, bytes]:
    """The texts of these modules and of those behind them, by name."""
    waiting: list[str] = list(modules)
    read: dict[str, bytes] = {}
    while waiting:
        name = waiting.pop()
        # The whole library only hands on what is asked of it.
        if name not in read and name != "engine" and (module := _module(name)) is not None:
            read[name], imports = module
            waiting += imports
    return read


@functools.cache
def _module(name: str) -> tuple[bytes, list[str]] | None:
    """Text of a module of the library and what it imports of it; ``None`` for a name within a module."""
    path = Path(__file__).parent.parent.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return None
    text = path.read_bytes()
    imports = [place.partition(":")[0] for place in REGISTERS.get(name, ())]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("engine"):
            imports += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return text, imports


def environment() -> dict[str, Any]:
    """Versions and machine, without importing any of the packages named."""
    return {
        "delrec_studio": _version("delrec-studio"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        "bf16_instructions": has_bf16(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_count() -> int:
    """GPUs of NVIDIA or AMD by their device files, without what ``CUDA_VISIBLE_DEVICES`` hides; loads nothing."""
    there = len([*Path("/dev").glob("nvidia[0-9]*")]) or len([*Path("/dev/dri").glob("renderD*")] * KFD.exists())
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (
        there
        if shown is None
        else min(there, len([name for name in shown.split(",") if name.strip() not in ("", "-1")]))
    )


def version() -> str:
    """Of this program; empty where it is not installed."""
    return _version("delrec-studio") or ""


def _version(package: str) -> str | None:
    """``None``: it is not installed. As a library, the engine needs neither the queue nor the pages."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


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
