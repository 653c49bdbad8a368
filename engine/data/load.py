"""The data set that the settings name."""

from __future__ import annotations

from engine.config import DataConfig
from engine.data.cleaning import clean_rows
from engine.data.dataset import Dataset, assemble
from engine.data.raw import Raw
from engine.datasets import reader
from engine.monitor import Monitor


def load_dataset(config: DataConfig, seed: int, monitor: Monitor, *, by_id: bool = True) -> Dataset:
    """Read the data set ``config.dataset``, from ``config.path`` where that is set, and clean it.

    ``ml-100k`` without a path comes from the cache or from the first known source that answers. ``seed`` matters to
    ``synthetic`` only. ``by_id`` is told in :func:`engine.data.dataset.assemble`. What belongs to a run is read by
    :func:`engine.run_data.run_dataset`.

    Raises:
        StudioError: files are missing, unreadable or damaged, or no source answers.
        Cancelled: the monitor asked to stop.
    """
    return cleaned(reader(config.dataset).read(config, seed, monitor), config, monitor, by_id=by_id)


def cleaned(raw: Raw, config: DataConfig, monitor: Monitor, *, by_id: bool = True) -> Dataset:
    """What is left of a data set that was read, as :func:`load_dataset` gives it.

    Raises:
        StudioError: nothing is left, or no item of the interactions is in the items file.
    """
    items_at_least = config.min_item_interactions or reader(config.dataset).items_at_least
    catalogue, rows, cleaning = clean_rows(raw, config, items_at_least, monitor)
    return assemble(
        config.dataset, catalogue, raw.log.user_ids, rows, source=raw.source, cleaning=cleaning, by_id=by_id
    )
