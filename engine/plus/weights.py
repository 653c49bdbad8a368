"""The weights of DELRec-plus's parts, learned from validation users and kept with the run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engine import distributed
from engine.config import RunConfig
from engine.data import Dataset, Split, candidate_sets
from engine.errors import StudioError
from engine.labels import plural
from engine.monitor import Monitor
from engine.plus.mix import fit_weights, shortlisted
from engine.ranking import CatalogueRanker
from engine.seeds import generator

STAGE = "plus"
USERS_AT_ONCE = 64


@dataclass(frozen=True)
class PlusWeights:
    """Weights by the names of the parts.

    Among a few candidates drawn at random it counts how well a model tells what fits at all; at the top of the whole
    catalogue, how well it tells the best from the good. So the two have weights of their own.
    """

    catalogue: dict[str, float]
    candidates: dict[str, float]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path, parts: Collection[str]) -> PlusWeights:
        """What :meth:`to_json` wrote, of these ``parts``.

        Raises:
            StudioError: missing or damaged.
        """
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            read = cls(*({str(k): float(v) for k, v in kept[of].items()} for of in ("catalogue", "candidates")))
            for found in (read.catalogue, read.candidates):
                if found.keys() != set(parts) or not np.isfinite(list(found.values())).all():
                    raise ValueError(f"no numbers for {' and '.join(parts)}")
            return read
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            fault = f"no usable weights of DELRec-plus: {error}"
            raise StudioError(fault, where=str(path), remedy="restore it, or start the run anew") from None


def learn_weights(
    config: RunConfig, dataset: Dataset, split: Split, parts: Mapping[str, CatalogueRanker], monitor: Monitor
) -> PlusWeights:
    """Weigh ``parts`` by at most ``plus.weighed_users`` validation users, from whose targets none of them learned.

    Raises:
        Cancelled: the monitor asked to stop; nothing is kept.
    """
    available = split.weighing or split.validation
    size = min(len(available), config.plus.weighed_users)
    chosen = generator(config.seed, STAGE, "weighed").choice(len(available), size, replace=False)
    examples = available.take(np.sort(chosen))
    total = size * len(parts)

    def opinion(place: int, ranker: CatalogueRanker) -> np.ndarray:
        def after(done: int) -> None:
            monitor.check()
            monitor.progress(STAGE, place * size + done, total)

        return distributed.map_chunks(
            size, USERS_AT_ONCE, lambda rows: ranker.catalogue_scores(examples.histories[rows]), after
        )

    opinions = {name: opinion(place, ranker) for place, (name, ranker) in enumerate(parts.items())}
    if split.weighing is None:
        candidates = candidate_sets(dataset, examples, config.data, config.seed, "validation")
    else:  # among cold items that are not tested, as the tested ones are ranked among cold items
        candidates = np.tile(np.unique(examples.targets), (size, 1))
    columns = (candidates == examples.targets[:, None]).argmax(axis=1)
    listed = [np.take_along_axis(scores, candidates, axis=1) for scores in opinions.values()]
    best = shortlisted(list(opinions.values()), examples.histories, examples.targets)
    of_catalogue, of_candidates = fit_weights(*best), fit_weights(listed, [()] * size, columns)
    weights = PlusWeights(
        dict(zip(parts, of_catalogue.tolist(), strict=True)), dict(zip(parts, of_candidates.tolist(), strict=True))
    )
    for what, users, found in (
        ("the whole catalogue", len(best[-1]), weights.catalogue),
        ("candidates", size, weights.candidates),
    ):
        weights_text = ", ".join(f"{name} {weight:.2f}" for name, weight in found.items())
        monitor.message(f"DELRec-plus, weights for {what}, from {plural(users, 'validation user')}: {weights_text}")
    return weights
