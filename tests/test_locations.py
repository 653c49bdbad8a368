"""What is on this machine already, found out without fetching or loading anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import locations
from engine.backbones import SMOLLM2
from engine.config import DataConfig
from engine.locations import data_presence, model_folder, model_presence, settled
from engine.settings import flatten, load_config


def test_models_are_built_in_here_to_be_fetched_or_unknown(delrec_home: Path, tmp_path: Path) -> None:
    assert model_presence("tiny-causal") == "built in"
    assert model_presence(SMOLLM2) == "to be fetched"
    assert model_presence("google/flan-t5-xl") == "to be fetched"
    assert model_presence("no such model") == "unknown"
    assert model_presence("../../no-such-folder") == "unknown"
    assert model_presence(str(tmp_path)) == "here"
    locations.smollm2_folder().mkdir(parents=True)
    assert model_presence(SMOLLM2) == "to be fetched"
    (locations.smollm2_folder() / locations.RECORD).write_text("{}")
    assert model_presence(SMOLLM2) == "here"
    assert str(model_folder(SMOLLM2)).startswith(str(delrec_home))


def test_a_model_of_the_hub_is_here_once_its_configuration_is(delrec_home: Path) -> None:
    snapshot = locations.hub_cache() / "models--google--flan-t5-xl" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    assert model_folder("google/flan-t5-xl") is None
    (snapshot / "config.json").write_text("{}")
    assert model_folder("google/flan-t5-xl") == snapshot


@pytest.mark.parametrize(
    ("settings", "presence"),
    [
        ({"dataset": "synthetic"}, "built in"),
        ({"dataset": "ml-100k"}, "to be fetched"),
        ({"dataset": "csv"}, "unknown"),
        ({"dataset": "csv", "path": "/no/such/folder"}, "unknown"),
    ],
)
def test_data_sets_likewise(settings: dict[str, str], presence: str) -> None:
    assert data_presence(DataConfig(**settings)) == presence  # type: ignore[arg-type]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with data, models and a run in it, and a home beside it."""
    folder = tmp_path / "started-in"
    for name in ("my-data", "my-model", "models/qwen", "smollm2-135m-instruct", "tiny-causal", "r-abc234", "old/run"):
        (folder / name).mkdir(parents=True)
    (folder / "first").mkdir()
    (folder / "first" / "run.json").touch()
    (folder / "r-abc234" / "run.json").touch()
    (tmp_path / "home" / "data").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("data.path", "my-data", "{here}/my-data"),
        ("data.path", "./my-data/", "{here}/my-data"),
        ("data.path", "../started-in/my-data", "{here}/my-data"),
        ("data.path", "~/data", "{home}/data"),
        ("data.path", "~", "{home}"),
        ("data.path", "~nobody-of-that-name/data", "{here}/~nobody-of-that-name/data"),
        ("data.path", "/abs/olute", "/abs/olute"),
        ("data.path", "not-there-yet", "{here}/not-there-yet"),
        ("data.path", "ml-100k.zip", "{here}/ml-100k.zip"),
        ("data.path", "odd ?%#@ name", "{here}/odd ?%#@ name"),
        ("llm.name", "my-model", "{here}/my-model"),
        ("llm.name", "models/qwen", "{here}/models/qwen"),
        ("llm.name", "./models/qwen", "{here}/models/qwen"),
        ("llm.name", "./not-there", "{here}/not-there"),
        ("llm.name", "../x", "{above}/x"),
        ("llm.name", "~/model", "{home}/model"),
        ("llm.name", "a/b/c", "{here}/a/b/c"),
        ("llm.name", "smollm2-135m-instruct", "smollm2-135m-instruct"),
        ("llm.name", "tiny-causal", "tiny-causal"),
        ("llm.name", "tiny-seq2seq", "tiny-seq2seq"),
        ("llm.name", "google/flan-t5-xl", "google/flan-t5-xl"),
        ("llm.name", "no-such-model", "no-such-model"),
        ("llm.name", "https://huggingface.co/a/b", "https://huggingface.co/a/b"),
        ("llm.name", "x" * 5000, "x" * 5000),
        ("distill.prompt_run", "r-zzzzzz", "r-zzzzzz"),
        ("distill.prompt_run", "r-abc234", "r-abc234"),
        ("distill.prompt_run", "first", "{here}/first"),
        ("distill.prompt_run", "old/run", "{here}/old/run"),
        ("distill.prompt_run", "./r-abc234", "{here}/r-abc234"),
        ("distill.prompt_run", "~/run", "{home}/run"),
        ("distill.prompt_run", "no-such-run", "no-such-run"),
    ],
)
def test_paths_of_a_run_to_be_made_become_absolute_and_names_stay(
    here: Path, delrec_home: Path, name: str, given: str, kept: str
) -> None:
    (delrec_home / "runs" / "r-abc234").mkdir(parents=True)
    more = ["distill.prompt=run"] if name == "distill.prompt_run" else []
    config = settled(load_config("smoke", overrides=[*more, f"{name}={given}"]))
    expected = kept.format(here=here, home=here.parent / "home", above=here.parent)
    assert dict(flatten(config))[name] == expected
    assert settled(config) == config
    others = load_config("smoke", overrides=[*more, f"{name}={expected}"])
    assert config == others


def test_a_folder_never_stands_in_for_a_built_in_model(here: Path) -> None:
    assert model_folder("smollm2-135m-instruct") is None
    assert model_folder("tiny-causal") is None
    assert model_folder("my-model") is not None
