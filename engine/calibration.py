"""How much of a title's likelihood without the history is taken off its likelihood with it, fitted per row.

A language model finds short and familiar titles likely whatever the history says. ``a`` in ``log p(title | prompt) -
a · log p(title | prompt without history)`` says how much of that to discount: 0 ranks by plain likelihood, 1 by
pointwise mutual information. What is best depends on the titles (long ones need more), so validation users decide.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch

from engine import distributed
from engine.data.candidates import candidate_sets
from engine.finetune.stage import validation_places
from engine.labels import label
from engine.llm.verbalizers import TitleLikelihood
from engine.metrics.ranks import ndcg, target_columns, target_ranks
from engine.models import Models, llm_of, read_priors
from engine.monitor import Monitor
from engine.recipe import prior_recipe
from engine.rows import fitted_rows
from engine.run_folder import RunFolder
from engine.stage_cache import StageCache
from engine.whole_files import write_text

GRID = np.arange(0, 1.51, 0.1).round(1)
"""Values of ``a`` that are tried."""


def calibrate(models: Models, run: RunFolder, monitor: Monitor, shared: StageCache | None = None) -> None:
    """Give ``models`` the ``a`` of every row that ranks by likelihoods: those in ``calibration.json``, or fitted ones.

    A fitted ``a`` has the highest NDCG@10 among the candidates of ``finetune.validation_users`` validation users, and
    of equals the smallest. With ``llm.prior`` set nothing is fitted.

    Raises:
        Cancelled: the monitor asked to stop; rows that are done are kept.
        StudioError: the file is damaged.
    """
    models.priors = read_priors(run.files.checked(run.calibration))
    for row in fitted_rows(models.config):
        if row not in models.priors:
            models.priors[row] = _prior(models, row, run.calibration, monitor, shared)
            run.files.write("evaluate", run.calibration, json.dumps(models.priors, indent=1))
            monitor.message(
                f"{row}: a title's likelihood counts less {models.priors[row]} times its likelihood without the history"
            )


def _prior(models: Models, row: str, path: Path, monitor: Monitor, shared: StageCache | None) -> float:
    """As an earlier run fitted it for the same row, or fitted now."""
    if shared is None or not shared.on:
        return fit_prior(models, row, monitor)
    file = path.with_name(f"prior-{row}.json")
    key = shared.key("prior", prior_recipe(models.config, row))
    if (origin := shared.take(key, {file.name: file})) is not None:
        monitor.taken("evaluate", origin.run_id, f"calibration of {label(row)}", seconds=origin.seconds)
        prior = read_priors(file)[row]
    else:
        began = time.monotonic()
        prior = fit_prior(models, row, monitor)
        write_text(file, json.dumps({row: prior}))
        shared.keep(key, "prior", {file.name: file}, round(time.monotonic() - began, 3))
    file.unlink()
    return prior


def fit_prior(models: Models, row: str, monitor: Monitor) -> float:
    """``a`` of one row, from validation users."""
    config, split = models.config, models.split
    examples = split.validation.take(validation_places(config, len(split.validation)))
    candidates = candidate_sets(models.dataset, examples, config.data, config.seed, "validation")
    ranker = models.ranker(row)
    reader = llm_of(ranker)
    assert reader is not None
    verbalizer = reader.scorer.verbalizer
    assert isinstance(verbalizer, TitleLikelihood)
    verbalizer.prior = 0.0
    likelihoods = distributed.map_chunks(
        len(examples),
        config.llm.batch_size,
        lambda rows: ranker.scores(examples.histories[rows], candidates[rows]),
        after=lambda _: monitor.check(),
    )
    priors = verbalizer.priors(torch.from_numpy(candidates)).numpy()
    columns = target_columns(candidates, examples.targets)
    values = [float(ndcg(target_ranks(likelihoods - a * priors, columns), 10).mean()) for a in GRID]
    return float(GRID[int(np.argmax(values))])
