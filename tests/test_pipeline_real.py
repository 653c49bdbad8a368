"""The whole recipe with the real model on real data."""

import pytest

from engine.evaluate import read_predictions
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_folder import RunFolder
from engine.settings import load_config
from tests.stage_world import QUICK


@pytest.mark.real
def test_real_smollm2_on_movielens_from_data_to_results(tmp_path):
    """The real thing in few steps: what is asserted holds whatever the quality, which ``quickstart`` measures."""
    # Fewer validations, of which nothing is asserted; what the protocol asks, and how long prompts are, stay real.
    few = (
        "teacher.epochs=1",
        "finetune.steps=2",
        "distill.validate_every=2",
        "distill.validation_users=2",
        "finetune.validation_users=2",
        "plus.weighed_users=8",
    )
    ranks = ("finetune.init_r=4", "finetune.target_r=2")
    config = load_config("quickstart", overrides=[*QUICK, *few, *ranks, "llm.dtype=float32"])
    report = run_pipeline(config, tmp_path / "run", Monitor())
    assert report["dataset"] == "ml-100k"
    rows = {model["name"]: model for model in report["models"]}
    assert rows["sasrec"]["agreement"]["top-1"]["value"] == 1.0
    models = Models.load(RunFolder.open(tmp_path / "run"), Monitor())
    predictions = read_predictions(tmp_path / "run/predictions.parquet")
    for row in predictions.table.itertuples():
        sequence = models.dataset.sequences[row.user]
        assert row.target == sequence[-1]
        assert list(row.candidates).count(row.target) == 1
        others = [item for item in row.candidates if item != row.target]
        assert not set(others) & set(sequence.tolist())
    curves = {(point["stage"], point["name"]) for point in RunFolder.open(tmp_path / "run").curves()}
    assert {("distil", "loss.ta"), ("distil", "weight.rps"), ("finetune", "loss.lsr")} <= curves
