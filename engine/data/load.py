"""The data set that the settings name."""

from __future__ import annotations

from pathlib import Path

from engine.config import DataConfig
from engine.data.dataset import Dataset, assemble
from engine.data.movielens import read_movielens
from engine.data.sources import movielens_100k
from engine.data.synthetic import synthetic
from engine.data.tables import read_tables
from engine.errors import StudioError
from engine.monitor import Monitor


def load_dataset(config: DataConfig, seed: int, monitor: Monitor) -> Dataset:
    """Read the data set ``config.dataset``, from ``config.path`` where that is set.

    ``ml-100k`` without a path comes from the cache or from the first known source that answers. ``seed`` matters to
    ``synthetic`` only.

    Raises:
        StudioError: files are missing, unreadable or damaged, or no source answers.
        Cancelled: the monitor asked to stop during a download.
    """
    path = Path(config.path).expanduser() if config.path else None
    if config.dataset == "synthetic":
        catalogue, log = synthetic(seed)
        source = f"generated with seed {seed}"
    elif config.dataset == "csv":
        if path is None:
            raise StudioError(
                "no folder given", where="data.path", remedy="set data.path to the folder of your CSV files"
            )
        catalogue, log = read_tables(path)
        source = f"folder {path}"
    elif path is not None:
        catalogue, log = read_movielens(path)
        source = f"folder {path}"
    else:
        catalogue, log, source = movielens_100k(monitor)
    return assemble(
        config.dataset, catalogue, log, min_interactions=config.min_interactions, source=source, monitor=monitor
    )
