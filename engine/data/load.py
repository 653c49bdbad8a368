"""The data set that the settings name."""

from __future__ import annotations

from engine.config import DataConfig
from engine.data.dataset import Dataset, assemble
from engine.datasets import reader
from engine.monitor import Monitor


def load_dataset(config: DataConfig, seed: int, monitor: Monitor) -> Dataset:
    """Read the data set ``config.dataset``, from ``config.path`` where that is set.

    ``ml-100k`` without a path comes from the cache or from the first known source that answers. ``seed`` matters to
    ``synthetic`` only.

    Raises:
        StudioError: files are missing, unreadable or damaged, or no source answers.
        Cancelled: the monitor asked to stop during a download.
    """
    catalogue, log, source = reader(config.dataset).read(config, seed, monitor)
    return assemble(
        config.dataset, catalogue, log, min_interactions=config.min_interactions, source=source, monitor=monitor
    )
