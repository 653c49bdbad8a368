"""Runs of earlier versions: they open, whatever their settings; what nobody can load any more is said in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from engine.compatibility import RETIRED, modernised
from engine.errors import StudioError
from engine.models import Models
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.rows import table_rows
from engine.run_folder import FORMAT, RunFolder
from engine.settings import flatten, load_config, stored_config
from engine.stages import stage_names

PLUS = {"enabled": True, "prior": True, "steps": 1000, "window": 48, "reading": "titles", "targets": ["all-linear"]}


def old(folder: Path, *, plus: bool = True, **llm: str) -> RunFolder:
    """A run as version 2 left it."""
    config = load_config(overrides=["data.dataset=synthetic", "llm.name=tiny-causal", "seed=3"])
    values = config.model_dump(mode="json")
    values["plus"] = {**PLUS, "enabled": plus, "teachers": "one", "weighed_users": 500}
    values["llm"] |= {"normalise": "sum", **llm}
    for later in ("prompts", "window", "prior", "title_encoder"):
        del values["llm"][later]
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    (folder / "run.json").write_text(json.dumps({"format": 2, "run_id": "old", "created": "2026-01-01"}))
    (folder / "metrics.json").write_text('{"models": []}')
    return RunFolder.open(folder)


def test_an_old_run_opens_with_its_settings_and_results(tmp_path: Path) -> None:
    run = old(tmp_path / "old")
    config = run.config()
    assert (config.seed, config.plus.enabled, config.plus.weighed_users) == (3, False, 500)
    assert config.llm.prompts == "candidates", "there was no other form"
    assert run.report() == {"models": []}
    assert run_pipeline(config, run.path, Monitor()) == {"models": []}


@pytest.mark.parametrize(("dataset", "domain"), [("goodbooks-10k", "item"), ("synthetic", "auto")])
def test_an_old_runs_prompts_keep_their_words(dataset: str, domain: str) -> None:
    """Books had none of their own; what is kept today says no more than that the reader decides."""
    values = load_config(overrides=[f"data.dataset={dataset}"]).model_dump(mode="json")
    assert stored_config(values).data.domain == "auto"
    del values["distill"]["item_embeddings"]
    assert stored_config(values).data.domain == domain
    assert stored_config(values | {"data": values["data"] | {"domain": "book"}}).data.domain == "book"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "DELRec-plus was a reader of its own"),
        ({"plus": False, "verbalizer": "title-likelihood", "normalise": "mean"}, "the mean over their tokens"),
    ],
)
def test_what_an_earlier_version_made_is_told_in_one_line(tmp_path: Path, how: dict[str, str], said: str) -> None:
    run = old(tmp_path / "old", **how)  # type: ignore[arg-type]
    with pytest.raises(StudioError, match=rf"an earlier version made this run, and .*{said}.*run it anew") as refused:
        Models.load(run, Monitor())
    assert "\n" not in str(refused.value)
    run.metrics.unlink()
    with pytest.raises(StudioError, match=said):
        run_pipeline(run.config(), run.path, Monitor())


@pytest.mark.parametrize(("normalise", "prior"), [("sum", 0.0), ("prior", 1.0)])
def test_likelihoods_keep_their_meaning(tmp_path: Path, normalise: str, prior: float) -> None:
    run = old(tmp_path / "old", plus=False, verbalizer="title-likelihood", normalise=normalise)
    assert run.config().llm.prior == prior
    run.check_parts()


def test_records_of_old_runs_are_read_and_new_ones_are_left_alone(tmp_path: Path) -> None:
    values = yaml.safe_load((old(tmp_path / "old").path / "config.yaml").read_text())
    assert stored_config(values) == RunFolder.open(tmp_path / "old").config()
    for preset in ("smoke", "quickstart", "paper"):
        today = load_config(preset)
        assert stored_config(today.model_dump(mode="json")) == today


def test_a_delrec_plus_that_knew_of_no_text_recommender_goes_on_without_one(tmp_path: Path) -> None:
    values = load_config("smoke").model_dump(mode="json")
    del values["plus"]["text"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    for made_by, text in ((3, False), (FORMAT, True)):
        (tmp_path / "run.json").write_text(json.dumps({"format": made_by, "run_id": "r", "created": "2026-11-01"}))
        config = RunFolder.open(tmp_path).config()
        assert (config.plus.enabled, config.plus.text) == (True, text)
        assert ("text" in stage_names(config), "text" in table_rows(config)) == (text, text)
    assert not stored_config(values).plus.text, "so says the database of a run, whose settings are kept whole"


def test_retired_settings_are_settings_no_more() -> None:
    today = dict(flatten(load_config("smoke")))
    retired = [f"{section}.{name}" for section, names in RETIRED.items() for name in names]
    assert not [name for name in retired if name in today]
    for name in retired:
        with pytest.raises(StudioError, match="unknown setting"):
            load_config("smoke", overrides=[f"{name}=1"])
    whole = {section: dict.fromkeys(names, 1) for section, names in RETIRED.items()}
    assert modernised(whole) == {"llm": {"prior": 0.0}, "plus": {"text": False}}


@pytest.mark.parametrize("text", ["", "[1]", "{", "llm: 3"])
def test_a_damaged_old_configuration_is_told(tmp_path: Path, text: str) -> None:
    run = old(tmp_path / "old")
    (run.path / "config.yaml").write_text(text)
    with pytest.raises(StudioError, match=r"config\.yaml is damaged"):
        run.config()
