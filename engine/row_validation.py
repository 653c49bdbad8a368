"""How well each row does on validation users: who answers for the run by default, without a look at test users."""

from __future__ import annotations

import json

import numpy as np

from engine import distributed
from engine.data import candidate_sets
from engine.explain.predictor import EMPTY
from engine.explain.row_predictors import RowPredictors
from engine.labels import plural
from engine.metrics.ranks import ndcg, target_columns, target_ranks
from engine.models import Models
from engine.monitor import Monitor
from engine.rows import all_rows, last_row, method_row
from engine.run_folder import RunFolder
from engine.seeds import generator

AT_ONCE = 32


def validate_rows(models: Models, run: RunFolder, monitor: Monitor) -> None:
    """Write ``validation.json``, unless it is there: ``users``, ``rows``, the NDCG@5 of each among the candidates, and
    ``errors``, the standard error over users of how far each stays below the best. As many users as stage 2 is
    validated on (``finetune.validation_users``).

    Earlier stages of the language model are on the way to the last one and are not asked.

    Raises:
        Cancelled: the monitor asked to stop; nothing is kept.
    """
    if run.files.checked(run.validation).exists():
        return
    config, split = models.config, models.split
    size = min(config.finetune.validation_users, len(split.validation))
    places = generator(config.seed, "row validation").choice(len(split.validation), size, replace=False)
    examples = split.validation.take(np.sort(places))
    candidates = candidate_sets(models.dataset, examples, config.data, config.seed, "validation")
    columns = target_columns(candidates, examples.targets)
    final = (method_row(config), last_row(config))
    rows = [row for row, kind in all_rows(config).items() if kind != "llm" or row in final]
    # DELRec-plus asks DELRec, which has a row of its own: its answers are remembered.
    predictors = RowPredictors(models, models.dataset.catalogue, EMPTY)

    def quality(row: str) -> np.ndarray:
        ranker = predictors.ranker(row)
        scores = distributed.map_chunks(
            size,
            AT_ONCE,
            lambda rows: ranker.scores(examples.histories[rows], candidates[rows]),
            after=lambda _: monitor.check(),
        )
        return ndcg(target_ranks(scores, columns), 5)

    by_user = {row: quality(row) for row in rows}
    found = {row: round(float(values.mean()), 6) for row, values in by_user.items()}
    best = max(found, key=lambda row: found[row])
    errors = {row: round(float((by_user[best] - values).std() / size**0.5), 6) for row, values in by_user.items()}
    kept = {"users": size, "rows": found, "errors": errors}
    run.files.write("evaluate", run.validation, json.dumps(kept, indent=1))
    monitor.message(
        f"{best} is best on {plural(size, 'validation user')}: NDCG@5 {found[best]:.3f} among the candidates"
    )
