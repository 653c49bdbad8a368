"""Rows of the language model are evaluated together: what is alike is computed once, and figures stay the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from engine.evaluate import evaluate
from engine.llm.activation_cache import ActivationCache
from engine.llm.causal import CausalBackbone
from engine.llm.ranker import SequenceRanker
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.ranking import History
from engine.settings import load_config
from tests.evaluate.conftest import TableRanker

USERS = 40


def test_a_history_is_read_once_for_delrec_and_delrec_plus_and_lower_blocks_once_for_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELREC_HOME", str(tmp_path))
    read: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    scores, get = SequenceRanker.catalogue_scores, ActivationCache.get

    def counted(self: SequenceRanker, histories: Any) -> Any:
        read[self.name] += len(histories)
        return scores(self, histories)

    def looked_up(
        self: ActivationCache, inputs: Tensor, position: Tensor, spans: Any, compute: Callable[[], Tensor]
    ) -> Any:
        def computed() -> Tensor:
            rows["computed"] += 1
            return compute()

        rows["asked"] += 1
        return get(self, inputs, position, spans, computed)

    config = load_config("smoke", overrides=[f"eval.users={USERS}", "finetune.top_layers=1"])
    folder = tmp_path / "run"
    first = run_pipeline(config, folder, Monitor())

    (folder / "metrics.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(SequenceRanker, "catalogue_scores", counted)
        patch.setattr(ActivationCache, "get", looked_up)
        again = run_pipeline(config, folder, Monitor())
    assert read == {"llm-distilled": USERS, "delrec": USERS}
    assert rows["asked"] - rows["computed"] == -(-USERS // config.llm.batch_size), "all batches of delrec were there"

    (folder / "metrics.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(CausalBackbone, "cache_activations", lambda *_, **__: None)
        without = run_pipeline(config, folder, Monitor())
    assert first["models"] == again["models"] == without["models"]


def test_a_row_of_two_scores_answers_for_all_candidate_sets_in_one_reading(
    world: Any, tmp_path: Path, recorder: Callable[..., Any]
) -> None:
    class OfTwo(TableRanker):
        def both_scores(self, histories: Sequence[History], candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            scores = self.catalogue_scores(histories)
            return scores, -np.take_along_axis(scores, candidates, axis=1)

    world.rankers["delrec"] = OfTwo("delrec", 4)
    warm = np.stack([world.examples.targets, (world.examples.targets + 1) % world.n_items], axis=1)
    entries = [replace(entry, whole=True) for entry in world.entries(["sasrec", "delrec"])]
    about = (entries, "sasrec", world.examples, world.candidates)
    row = evaluate(*about, n_items=world.n_items, top=8, folder=tmp_path, monitor=recorder(), warm=warm).rows["delrec"]
    assert sum(world.rankers["delrec"].asked) == len(world.examples)
    table = world.rankers["delrec"].table[[history[-1] for history in world.examples.histories]]
    np.testing.assert_array_equal(row.candidates, -np.take_along_axis(table, world.candidates, axis=1))
    of_warm = np.take_along_axis(table, warm, axis=1)
    np.testing.assert_array_equal(row.warm_ranks.better, of_warm[:, 1] < of_warm[:, 0])
    assert row.listing.scores.max() > 0, "the catalogue's own"
