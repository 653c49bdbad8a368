"""Data sets and prompts as previews show them, loaded on demand and kept for the next look."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine import datasets
from engine.backbones import SMOLLM2, TINY
from engine.config import DataConfig, RunConfig
from engine.config_data import PROTOCOL
from engine.data import Dataset, Statistics, load_dataset, statistics
from engine.errors import StudioError
from engine.locations import data_presence
from engine.monitor import Monitor
from engine.paths import expanded
from engine.run_data import run_dataset
from engine.run_folder import RunFolder
from engine.settings import make_config
from webapp.access import Access

if TYPE_CHECKING:
    from engine.preview import Preview
    from jobs.records import Run

KEPT = 4
"""Data sets kept in memory, of settings and of runs."""


def dataset_of(config: RunConfig) -> tuple[Dataset, Statistics]:
    """The data set that the settings name, and figures about it.

    Raises:
        StudioError: it cannot be had or read.
    """
    seed = config.seed if config.data.dataset == "synthetic" else 0
    read = config.data.model_copy(update={name: getattr(DataConfig(), name) for name in PROTOCOL})
    return _load(read, seed, last_change(config.data))


def dataset_of_run(run: Run, *, fetch: bool = False) -> Dataset:
    """The data that a run was made with, known by their fingerprint.

    Raises:
        StudioError: they are others by now, cannot be read, or are not on this machine and not to be fetched.
    """
    config = make_config(run.config)
    if not fetch and data_presence(config.data) not in ("here", "built in"):
        raise StudioError("the run's data set is not on this machine")
    return _load_of_run(run.folder, config, last_change(config.data))


def prompts_of(config: RunConfig, user: str | None = None) -> Preview:
    """The prompts of a user of that data set; the first call loads torch.

    Raises:
        StudioError: no such user, or settings that do not fit the data.
    """
    from engine.preview import preview_prompts

    return preview_prompts(config, dataset_of(config)[0], user)


def require_preview(access: Access, config: RunConfig, request: object) -> None:
    """Raise :class:`StudioError` if a visitor who only looks would make the server fetch files or read her paths."""
    harmless = data_presence(config.data) != "to be fetched" and config.data.path is None
    if not (harmless and config.llm.name in (SMOLLM2, *TINY)):
        access.require_change(request)


@lru_cache(maxsize=KEPT)
def _load(config: DataConfig, seed: int, changed: float) -> tuple[Dataset, Statistics]:  # noqa: ARG001 - files change
    dataset = load_dataset(config, seed, Monitor())
    return dataset, statistics(dataset)


@lru_cache(maxsize=KEPT)
def _load_of_run(folder: Path, config: RunConfig, changed: float) -> Dataset:  # noqa: ARG001 - files change
    return run_dataset(RunFolder.open(folder), config, Monitor())


def last_change(config: DataConfig) -> float:
    """The latest change of the files that are read, in seconds."""
    folder = (
        expanded(config.path) if config.path else datasets.folder(datasets.current(config.dataset) or config.dataset)
    )
    try:
        near = folder if folder.is_dir() else folder.parent
        return max((file.stat().st_mtime for file in near.iterdir()), default=0.0)
    except OSError:
        return 0.0
