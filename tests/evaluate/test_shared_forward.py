"""Rows of the language model are evaluated together: what is alike is computed once, and figures stay the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from engine.llm.activation_cache import ActivationCache
from engine.llm.causal import CausalBackbone
from engine.llm.ranker import SequenceRanker
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.settings import load_config

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
