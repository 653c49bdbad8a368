"""Data sets in figures, read by a process of their own (:mod:`jobs.data_work`) and kept for the next look."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from engine.config import DataConfig
from engine.errors import StudioError
from engine.locations import data_presence
from engine.settings import make_config
from jobs import data_work
from jobs.records import Run
from webapp.previews import last_change

KEPT = 32
DescriptionDict = dict[str, Any]
"""``description``, ``statistics``, ``note``: see :mod:`jobs.data_child`."""

_known: OrderedDict[str, DescriptionDict] = OrderedDict()


def describe(config: DataConfig, run: Run | None = None) -> Iterator[str | DescriptionDict]:
    """What is told on the way, then the figures. ``run``: the data are those that it was made with.

    Raises:
        StudioError: they cannot be read, or are not on this machine.
        Cancelled: it was stopped.
    """
    if run is not None:
        config = make_config(run.config).data
    if data_presence(config) == "to be fetched":
        raise StudioError("the data set is not on this machine yet", where=config.dataset, remedy="a run fetches it")
    key = json.dumps([config.model_dump(mode="json"), last_change(config), run and run.id])
    if (found := _known.get(key)) is None:
        seed = 0 if run is None else run.seed
        if run is not None and not run.folder.exists():  # it has not begun: its data are what its settings name
            run = None
        for kind, value in data_work.describe(config, seed, run).events():
            if kind == "message":
                yield str(value)
            elif kind == "result":
                found = value
        assert found is not None
        _known[key] = found
        while len(_known) > KEPT:
            _known.popitem(last=False)
    yield found
