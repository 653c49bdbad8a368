"""What a run's answers depend on beside its settings stays with the run: date, number format, and the very model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pipeline_world import StopAt, quick
from safetensors.torch import load_file, save_file
from stage_world import without_digests

from engine.config import LLMConfig, RunConfig
from engine.errors import Cancelled, StudioError
from engine.llm import BackboneFingerprint, dtype, load_backbone
from engine.llm.tiny import CHAT_TEMPLATE, tiny_causal
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_folder import RunFolder

DATED = "{% set now = strftime_now('%d %b %Y %f') %}Today: {{ now }}\n" + CHAT_TEMPLATE
"""To the microsecond: it never reads the same twice."""
SHORT = ("distill.prompt=random", "finetune.enabled=false", "eval.users=4")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder whose template tells the date."""
    backbone = tiny_causal(0)
    backbone.model.save_pretrained(tmp_path / "model")
    backbone.tokenizer.chat_template = DATED
    backbone.tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def settings(model: Path, *overrides: str) -> RunConfig:
    return quick(f"llm.name={model}", *SHORT, *overrides)


def scores(models: Models, row: str) -> np.ndarray:
    return models.ranker(row).scores([[1, 2, 3]], np.array([[4, 5, 6, 7]]))


def test_a_run_keeps_the_date_of_its_prompts(model: Path, tmp_path: Path) -> None:
    config = settings(model, "plus.enabled=true")
    run_pipeline(config, tmp_path / "run", Monitor())
    folder = RunFolder.open(tmp_path / "run")
    first, second = (Models.load(folder, Monitor()) for _ in range(2))
    kept = BackboneFingerprint.read(folder.llm)
    assert kept is not None
    assert kept.frame != load_backbone(config.llm, Monitor()).encoder.frame, "another day"
    for models in (first, second):
        assert models.backbone.encoder.frame == kept.frame
    for row in ("llm-distilled", "delrec-plus"):
        np.testing.assert_array_equal(scores(first, row), scores(second, row))


def test_a_resumed_run_goes_on_with_its_first_date_and_format(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(model, "llm.dtype=auto", "llm.device=cpu", "plus.enabled=true")
    monkeypatch.setattr(dtype, "_measured_once", lambda: ("bfloat16", "measured"))
    run_pipeline_until(config, tmp_path / "run")
    folder = RunFolder.open(tmp_path / "run")
    before = folder.llm.read_text()
    monkeypatch.setattr(dtype, "_measured_once", lambda: ("float32", "on another machine"))
    run_pipeline(config, tmp_path / "run", Monitor())
    assert folder.llm.read_text() == before
    assert json.loads((folder.path / "environment.json").read_text())["llm_dtype"] == "torch.bfloat16"
    assert Models.load(folder, Monitor()).backbone.dtype == torch.bfloat16


def run_pipeline_until(config: RunConfig, path: Path) -> None:
    """Stopped once the teacher has begun, when the language model has been loaded."""
    with pytest.raises(Cancelled):
        run_pipeline(config, path, StopAt("teacher", 1))


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def swap_tokens(tokenizer: dict[str, Any]) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["Ġmovie"], vocabulary["Ġgame"] = vocabulary["Ġgame"], vocabulary["Ġmovie"]


def other_weights(folder: Path, factor: float) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors["model.layers.1.mlp.up_proj.weight"] *= factor
    save_file(tensors, file, metadata={"format": "pt"})


CHANGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "template": ("chat template", lambda f: (f / "chat_template.jinja").write_text(DATED + "\n") and None),
    "no template": ("chat template", lambda f: (f / "chat_template.jinja").unlink()),
    "two tokens": ("tokenizer", lambda f: edit(f / "tokenizer.json", swap_tokens)),
    "merges": ("tokenizer", lambda f: edit(f / "tokenizer.json", lambda t: t["model"]["merges"].reverse())),
    "normaliser": (
        "tokenizer",
        lambda f: edit(f / "tokenizer.json", lambda t: t.update(normalizer={"type": "Lowercase"})),
    ),
    "composed letters": (
        "tokenizer",
        lambda f: edit(f / "tokenizer.json", lambda t: t.update(normalizer={"type": "NFC"})),
    ),
    "end token": (
        "special tokens",
        lambda f: edit(f / "tokenizer_config.json", lambda t: t.update(eos_token="<|im_start|>")),
    ),
    "weights": ("weights", lambda f: other_weights(f, 1.01)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_model_in_the_same_place_is_refused_with_what_differs(what: str, model: Path) -> None:
    config = LLMConfig(name=str(model), dtype="float32", device="cpu")
    record = load_backbone(config, Monitor()).record
    assert record is not None
    part, change = CHANGES[what]
    change(model)
    with pytest.raises(StudioError, match=rf"not the model with which the run was made: other .*{part}.*start a new"):
        load_backbone(config, Monitor(), record)


def test_what_files_hold_beside_parameters_is_weights_too() -> None:
    """As the bias of the output layer of BART and Marian, which is a buffer; one that is made anew is not."""
    prints = []
    for kept, value in ((True, 1.0), (True, 2.0), (False, 1.0), (False, 2.0)):
        backbone = tiny_causal(0)
        backbone.model.register_buffer("final_logits_bias", torch.full((3,), value), persistent=kept)
        prints.append(BackboneFingerprint.of(backbone).prints["weights"])
    assert prints[0] != prints[1]
    assert prints[2] == prints[3] == BackboneFingerprint.of(tiny_causal(0)).prints["weights"]


def reindent(file: Path) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()), indent=7), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: reindent(folder / "tokenizer.json"),
        lambda folder: edit(folder / "config.json", lambda c: c.update(transformers_version="9.9")),
        lambda folder: other_weights(folder, 1.0),
        lambda folder: (folder / "README.md").write_text("A model."),
    ],
)
def test_the_same_model_in_other_files_is_the_same(change: Callable[[Path], Any], model: Path) -> None:
    config = LLMConfig(name=str(model), dtype="float32", device="cpu")
    record = load_backbone(config, Monitor()).record
    change(model)
    assert load_backbone(config, Monitor(), record).record is not None


def test_a_record_is_read_as_it_was_written_and_damage_is_told(tmp_path: Path) -> None:
    record = BackboneFingerprint.of(tiny_causal(0))
    file = tmp_path / "llm.json"
    assert BackboneFingerprint.read(file) is None
    record.write(file)
    assert BackboneFingerprint.read(file) == record
    for damage in ("", "{}", "[]", '{"dtype": 1, "frame": {"before": ["x"]}, "prints": {}}'):
        file.write_text(damage)
        with pytest.raises(StudioError, match="record of the run's language model is damaged"):
            BackboneFingerprint.read(file)


def test_opening_and_resuming_refuse_another_model_and_older_runs_still_open(model: Path, tmp_path: Path) -> None:
    config = settings(model)
    run_pipeline_until(config, tmp_path / "stopped")
    run_pipeline(config, tmp_path / "run", Monitor())
    borrowed = settings(model, "distill.prompt=run", f"distill.prompt_run={tmp_path / 'run'}")
    run_pipeline_until(borrowed, tmp_path / "borrowing")
    other_weights(model, 2.0)
    done, stopped = (RunFolder.open(tmp_path / name) for name in ("run", "stopped"))
    asks = (
        lambda: Models.load(done, Monitor()),
        lambda: run_pipeline(config, stopped.path, Monitor()),
        lambda: run_pipeline(borrowed, tmp_path / "new", Monitor()),
    )
    for ask in asks:
        with pytest.raises(StudioError, match="other weights"):
            ask()
    for folder in (done, stopped):
        folder.llm.unlink()
        with pytest.raises(StudioError, match=r"llm\.json is gone, which stage 'llm' left"):
            Models.load(folder, Monitor())
        about = json.loads((folder.path / "run.json").read_text())
        del about["config"]  # as runs of earlier versions, which kept no such record
        (folder.path / "run.json").write_text(json.dumps(about))
        without_digests(folder.path)
    assert scores(Models.load(done, Monitor()), "llm-distilled").shape == (1, 4)
    run_pipeline(config, stopped.path, Monitor())
    assert stopped.llm.exists()
