"""What is on this machine already, found out without fetching or loading anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import places
from engine.config import DataConfig
from engine.places import data_presence, model_folder, model_presence


def test_models_are_built_in_here_to_be_fetched_or_unknown(delrec_home: Path, tmp_path: Path) -> None:
    assert model_presence("tiny-causal") == "built in"
    assert model_presence(places.SMOLLM2) == "to be fetched"
    assert model_presence("google/flan-t5-xl") == "to be fetched"
    assert model_presence("no such model") == "unknown"
    assert model_presence("../../no-such-folder") == "unknown"
    assert model_presence(str(tmp_path)) == "here"
    places.smollm2_folder().mkdir(parents=True)
    assert model_presence(places.SMOLLM2) == "to be fetched"
    (places.smollm2_folder() / places.RECORD).write_text("{}")
    assert model_presence(places.SMOLLM2) == "here"
    assert str(model_folder(places.SMOLLM2)).startswith(str(delrec_home))


def test_a_model_of_the_hub_is_here_once_its_configuration_is(delrec_home: Path) -> None:
    snapshot = places.hub_cache() / "models--google--flan-t5-xl" / "snapshots" / "abc"
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
