"""The one place where a run gets its data: loads them, keeps their fingerprint, and knows them again later."""

from __future__ import annotations

from dataclasses import replace

from engine.config import RunConfig
from engine.data import Dataset, load_dataset
from engine.data.fingerprint import Fingerprint
from engine.distributed import is_main_process
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.run_folder import RunFolder


def dataset_to_learn(run: RunFolder, config: RunConfig, monitor: Monitor) -> Dataset:
    """The data that a run begins or goes on to learn from.

    Until it has learned anything they are what the settings name, and their fingerprint is kept with the run.

    Raises:
        StudioError, Cancelled: as :func:`run_dataset`.
    """
    if run.has_learned() or not is_main_process():  # of several the first has kept the fingerprint
        return run_dataset(run, config, monitor)
    dataset = load_dataset(config.data, config.seed, monitor)
    run.files.withdraw(run.fingerprint)
    Fingerprint.of(dataset, config.data).save(run.fingerprint)
    return dataset


def run_dataset(run: RunFolder, config: RunConfig, monitor: Monitor) -> Dataset:
    """The data that a run has learned from; what the reader has to know about them is in :attr:`Dataset.note`.

    Where rows were only added since, those that the run was made with are found among them: logs grow every day, and a
    run that could be used no more for that would be of little use, while what it answers from is exactly what it has
    always answered from. Any other change is refused. Runs of earlier versions keep no fingerprint: they get what is
    there, with the dense ids that they know, which went by the order of the rows and were of all items.

    Raises:
        StudioError: data that cannot be had or read, or others than the run was made with.
        Cancelled: the monitor asked to stop during a download.
    """
    if run.knows_no_fingerprint():
        as_then = config.data.model_copy(update={"unused_items": True})
        dataset = load_dataset(as_then, config.seed, monitor, by_id=False)
        return _noted(dataset, UNCHECKED, monitor) if config.data.path else dataset
    known = Fingerprint.load(run.files.checked(run.fingerprint))
    dataset = load_dataset(config.data, config.seed, monitor)
    if known.same(Fingerprint.of(dataset, config.data)):
        return dataset
    differences = known.differences(dataset, config.data)
    part = known.part_of(dataset, config.data)
    if part is not None:
        return _noted(part, f"Since this run was made its data were changed: {differences}. {ITS_OWN}", monitor)
    raise StudioError(
        f"the data are not those that the run was made with: {differences}",
        where=dataset.source,
        remedy="bring back the data as they were, or make a new run with these",
    )


UNCHECKED = (
    "This run was made by a version that kept no fingerprint of its data: whether they are still the same is not known."
)
ITS_OWN = "It answers from what it was made with, without these."


def _noted(dataset: Dataset, note: str, monitor: Monitor) -> Dataset:
    monitor.message(note)
    return replace(dataset, note=note)
