"""Number format of the frozen weights: measured once on this machine, then remembered."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

import torch

from engine.labels import plural
from engine.monitor import Monitor
from engine.paths import home, writable

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
ROWS, WIDTH, INNER = 64, 576, 1536
"""Shape of the measured product: some tokens through SmolLM2's feed-forward block."""
REPEATS = 3


def choose_dtype(setting: str, device: torch.device, monitor: Monitor) -> torch.dtype:
    """``auto``: bfloat16 on GPUs that support it and on CPUs where a measurement finds it faster, else float32."""
    if setting != "auto":
        return DTYPES[setting]
    if device.type == "cuda":
        chosen = "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
        reason = torch.cuda.get_device_name(device)
    elif device.type == "cpu":
        chosen, reason = _measured_once()
    else:
        chosen, reason = "float32", device.type
    monitor.message(f"Number format of the language model: {chosen} ({reason})")
    return DTYPES[chosen]


def measure() -> dict[str, float]:
    """Seconds that each format takes for the same matrix products on this CPU: the best of several."""
    seconds = {}
    for name, dtype in DTYPES.items():
        x = torch.ones(ROWS, WIDTH, dtype=dtype)
        up, down = torch.ones(WIDTH, INNER, dtype=dtype), torch.ones(INNER, WIDTH, dtype=dtype)
        times = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            x @ up @ down
            times.append(time.perf_counter() - began)
        seconds[name] = min(times)
    return seconds


def _measured_once() -> tuple[str, str]:
    path = home() / "dtype.json"
    key = f"{_cpu()}, torch {torch.__version__}"
    known = _read(path)
    if key not in known:
        known[key] = measure()
        writable(path.parent)
        partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        partial.write_text(json.dumps(known, indent=1), encoding="utf-8")
        partial.replace(path)
    seconds = known[key]
    chosen = min(seconds, key=lambda name: seconds[name])
    ratio = seconds["float32"] / seconds["bfloat16"]
    return chosen, f"measured: bfloat16 runs at {ratio:.1f} times the speed of float32 on {_cpu()}"


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {key: {name: float(seconds[name]) for name in DTYPES} for key, seconds in known.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or damaged: measure again
        return {}


def _cpu() -> str:
    """Name of the processor; two machines that share a data folder must not share a measurement."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name} ({plural(torch.get_num_threads(), 'thread')})"
