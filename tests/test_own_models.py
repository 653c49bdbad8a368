"""Whole runs with models of one's own: architectures of which the engine knows nothing, and folders it cannot use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from families import TRANSFORMERS_FORWARD, random_model
from pipeline_world import quick
from stage_world import CANDIDATES

from engine.errors import StudioError
from engine.llm.tiny import tiny_causal, tiny_tokenizer
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_folder import RunFolder

ROWS = ["llm-zero-shot", "llm-distilled", "delrec", "delrec-plus"]


@pytest.mark.parametrize(
    ("family", "settings", "asked"),
    [
        ("gpt2", {"n_positions": 1024}, (*CANDIDATES, "llm.verbalizer=title-likelihood")),
        ("gemma2", {"max_position_embeddings": 1024}, ("plus.enabled=true",)),
    ],
    ids=["candidates", "sequence"],
)
def test_a_run_with_an_architecture_unknown_to_the_engine(
    family: str, settings: dict[str, int], asked: tuple[str, ...], tmp_path: Path
) -> None:
    """Both stages, all rows, DELRec-plus where it can be; opened again, the run answers the same."""
    random_model(*TRANSFORMERS_FORWARD[family], **settings).save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    config = quick(f"llm.name={tmp_path / 'model'}", *asked)
    report = run_pipeline(config, tmp_path / "run", Monitor())
    rows = ROWS if config.plus.enabled else ROWS[:-1]
    assert [model["name"] for model in report["models"] if model["kind"] == "llm"] == rows
    folder = RunFolder.open(tmp_path / "run")
    assert "is read by Transformers' own forward pass" in folder.log.read_text()
    first, second = (Models.load(folder, Monitor()) for _ in range(2))
    for row in (*rows, *(["text"] if config.plus.enabled else [])):
        scores = [m.ranker(row).scores([[1, 2, 3]], np.array([[4, 5, 6, 7]])) for m in (first, second)]
        np.testing.assert_array_equal(*scores)
        assert np.isfinite(scores[0]).all()
        assert np.ptp(scores[0]) > 0


@pytest.mark.parametrize("fault", ["template", "embeddings", "weights"])
def test_a_model_that_cannot_be_used_is_refused_before_any_work(fault: str, tmp_path: Path) -> None:
    backbone = tiny_causal(0)
    model, tokenizer = backbone.model, backbone.tokenizer
    if fault == "template":
        tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }"
    if fault == "embeddings":
        model.resize_token_embeddings(300)
    (model.model if fault == "weights" else model).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    if fault == "weights":
        file = tmp_path / "model" / "config.json"
        file.write_text(file.read_text().replace('"tie_word_embeddings": true', '"tie_word_embeddings": false'))
    said = {
        "template": "chat template cannot be used",
        "embeddings": "only 300 embeddings",
        "weights": "lm_head.weight",
    }
    with pytest.raises(StudioError, match=said[fault]) as refused:
        run_pipeline(quick(f"llm.name={tmp_path / 'model'}"), tmp_path / "run", Monitor())
    assert "\n" not in str(refused.value)
    assert [stage["name"] for stage in RunFolder.open(tmp_path / "run").stages() if stage["done"]] == ["data"]
