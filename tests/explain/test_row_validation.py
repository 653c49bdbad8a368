"""Who does best on validation users, and what it costs to find out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_run import tiny_models

from engine.llm.ranker import SequenceRanker
from engine.monitor import Monitor
from engine.plus import PlusWeights
from engine.ranking import History
from engine.row_validation import validate_rows
from engine.rows import method_row
from engine.run_folder import RunFolder


def test_the_language_model_is_asked_once_for_its_row_and_for_the_sum_it_is_a_part_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tiny_models("plus.enabled=true", "plus.text=false", "finetune.validation_users=4", form="sequence")
    method, teacher = method_row(models.config), models.plus_teacher.name
    same = {teacher: 0.0, method: 1.0}
    models.plus = PlusWeights(same, same)
    asked: list[History] = []
    own = SequenceRanker.catalogue_scores

    def heard(self: SequenceRanker, histories: list[History]) -> np.ndarray:
        asked.extend(histories)
        return own(self, histories)

    monkeypatch.setattr(SequenceRanker, "catalogue_scores", heard)
    run = RunFolder(tmp_path)
    validate_rows(models, run, Monitor())
    kept = json.loads(run.validation.read_text(encoding="utf-8"))
    assert kept["users"] == len(asked) == 4
    assert kept["rows"]["delrec-plus"] == kept["rows"][method], "a sum of which it is all"
    assert set(kept["rows"]) >= {"popularity", "markov", teacher}
