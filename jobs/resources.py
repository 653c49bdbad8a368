"""What a machine offers to runs, what a run needs of it, and whether a worker here belongs to the studio at all."""

from __future__ import annotations

import contextlib
import functools
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
from sqlalchemy.exc import SQLAlchemyError

from db import workers
from db.workers import Role
from engine import environment, quantization
from engine.config import RunConfig
from engine.errors import StudioError
from engine.labels import plural
from engine.paths import home
from jobs import folder_key, heartbeat, process
from jobs.workers import lives

NVIDIA = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
ASK_SECONDS = 20.0


@dataclass(frozen=True)
class Gpu:
    """One GPU: its name, and its memory in MB."""

    name: str
    memory_mb: float


@dataclass(frozen=True)
class Resources:
    """What a worker says of its machine and of itself."""

    cores: int = 0
    memory_mb: float = 0.0
    gpus: tuple[Gpu, ...] = ()
    version: str = ""
    """Of the package."""
    code: str = ""
    """Of its engine: :func:`engine.environment.code_version`."""
    quantizes: bool = True
    """Whether it can load weights in 8 or 4 bits; a worker that does not say so is given the run."""
    runs: tuple[str, ...] = field(default=(), compare=False)
    """Ids of those at which it works."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Resources:
        """As stored; what another version said beside is passed over."""
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        lists = {"gpus": tuple(Gpu(**gpu) for gpu in known.get("gpus", ())), "runs": tuple(known.get("runs", ()))}
        return cls(**{**known, **lists})

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lacks(self, needs: Mapping[str, Any]) -> str:
        """Which of a run's needs (:func:`needs`) it does not meet, in words; empty if it meets all."""
        needed_gb, on_gpu = float(needs.get("memory") or 0), needs.get("device") == "gpu"
        if on_gpu and not self.gpus:
            return "it has no GPU"
        if (least := int(needs.get("gpus") or 0)) > len(self.gpus):
            return f"it has {plural(len(self.gpus), 'GPU') if self.gpus else 'no GPU'}, and the run names GPU {least}"
        if needs.get("quantized") and not self.quantizes:
            return "it lacks the package bitsandbytes"
        largest = max((gpu.memory_mb for gpu in self.gpus), default=0.0) if on_gpu else self.memory_mb
        if needed_gb * 1000 > largest:
            return f"{'its GPU' if on_gpu else 'it'} has {largest / 1000:.1f} GB of memory, not {needed_gb:g}"
        several = int(needs.get("processes") or 1)
        each_a_gpu = on_gpu or (self.gpus and not needs.get("on_cpu"))
        there, what = (len(self.gpus), "GPU") if each_a_gpu else (self.cores, "core")
        if several > max(there, 1):
            return f"it has {plural(there, what)} for {several} processes"
        return ""


def needs(config: RunConfig, processes: int | None = None) -> dict[str, Any]:
    """What a run needs of a machine, as :meth:`Resources.lacks` asks: its settings ``run``, and what other ones ask.

    Args:
        processes: how many work on it, instead of ``run.processes``.
    """
    named = [device for device in (config.llm.device, config.teacher.device) if device.startswith("cuda")]
    numbers = [int(device.partition(":")[2] or 0) + 1 for device in named]
    return config.run.model_dump() | {
        "processes": processes or config.run.processes,
        "gpus": max([*numbers, int(config.run.placement == "offloaded")]),
        "on_cpu": only_on_cpu(config),
        "quantized": config.llm.weights != "full",
    }


def only_on_cpu(config: RunConfig) -> bool:
    """Whether the run leaves a GPU alone that a machine has."""
    return config.llm.device == "cpu" and config.teacher.device == "cpu"


def refuse_here(
    needs: Mapping[str, Any],
    where: str = "run.device, run.memory, run.processes",
    remedy: str = "change the setting, or queue the run (delrec launch, delrec resume --queue) for a worker that can",
) -> None:
    """Raise :class:`StudioError` where what has these ``needs`` (:func:`needs`) is to begin on this machine,
    which does not meet them."""
    if lack := own_resources().lacks(needs):
        raise StudioError(
            f"this machine cannot do it: {lack}",
            where=where,
            remedy=remedy,
        )


def own_resources() -> Resources:
    """What this machine offers."""
    return Resources(
        cores=environment.cores(),
        memory_mb=psutil.virtual_memory().total / 1e6,
        gpus=own_gpus(),
        version=environment.version(),
        code=environment.code_version(),
        quantizes=quantization.available(),
    )


@functools.cache
def own_gpus() -> tuple[Gpu, ...]:
    """Those of NVIDIA that the driver names, asked once; ``CUDA_VISIBLE_DEVICES`` hides some. What the driver does not
    name has no memory known."""
    count = environment.gpu_count()
    if not count:
        return ()
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        output = subprocess.run(NVIDIA, capture_output=True, text=True, timeout=ASK_SECONDS, check=True).stdout
        rows = [line.rpartition(",") for line in output.splitlines() if line.strip()]
        return tuple(Gpu(name.strip(), float(memory) * 1.048576) for name, _, memory in rows)[:count]
    return tuple(Gpu("GPU", 0.0) for _ in range(count))


def check_in(role: Role, own: Resources) -> None:
    """Make sure that an app or a worker that starts here works with the others, rather than let runs fail.

    Raises:
        StudioError: it sees another data folder than the others, or a worker has other code than those elsewhere.
    """
    token = folder_key.folder_token()
    if workers.data_folder(token) != token:
        raise StudioError(
            f"this {role} sees another data folder than the one that the database belongs to",
            where=f"DELREC_HOME={home()}",
            remedy="mount the same folder on all machines; if it is the same one, bring back its file queue.key",
        )
    if role == "app":
        return
    for other in workers.known(role=None):
        offers = Resources.of(other.offers)
        elsewhere = not process.here(other.process.host, other.process.boot)
        if offers.code and offers.code != own.code and elsewhere and lives(other):
            raise StudioError(
                f"this worker has version {_version(own)}, the {other.role} on {other.process.host} {_version(offers)}",
                where=environment.ROOT,
                remedy="install the same version on all machines",
            )


@contextlib.contextmanager
def app_here(own: Resources) -> Iterator[None]:
    """Within, the workers know of this app."""
    me = process.owner()

    def beat() -> bool:
        return workers.beat(me, own.as_dict(), "app")

    beat()
    with heartbeat.given(beat):
        yield
    with contextlib.suppress(SQLAlchemyError, StudioError):
        workers.leave(me)


def _version(offers: Resources) -> str:
    return f"{offers.version or 'of a checkout'} (code {offers.code})"
