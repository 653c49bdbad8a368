"""A teacher's file: the same scores after loading, and one clear line when it cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.errors import StudioError
from engine.teachers import Teacher, load_teacher
from tests.teachers.conftest import N_ITEMS, Train, walk


@pytest.fixture
def file(rankers: dict[str, Teacher], tmp_path: Path) -> Path:
    rankers["gru4rec"].save(tmp_path / "teacher.safetensors")
    return tmp_path / "teacher.safetensors"


def test_loaded_equals_saved(teacher: Teacher, tmp_path: Path) -> None:
    teacher.save(tmp_path / "teacher.safetensors")
    loaded = load_teacher(tmp_path / "teacher.safetensors", N_ITEMS)
    histories = [walk(begin, length) for begin in range(12) for length in (0, 1, 4, 9)]
    np.testing.assert_allclose(
        loaded.catalogue_scores(histories), teacher.catalogue_scores(histories), rtol=0, atol=1e-6
    )
    assert loaded.name == teacher.name
    assert not loaded.network.training


def test_metadata_tells_the_shape(file: Path) -> None:
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    settings = json.loads(metadata["settings"])
    assert (metadata["format"], metadata["n_items"]) == ("2", str(N_ITEMS))
    assert (settings["name"], settings["width"], settings["max_length"]) == ("gru4rec", 16, 6)


def _rewrite(path: Path, **changes: str) -> None:
    with safe_open(path, framework="pt") as opened:
        metadata = opened.metadata()
    save_file(load_file(path), path, metadata | changes)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("<html>not found</html>"),
    "no metadata": lambda path: save_file(load_file(path), path),
    "another shape": lambda path: _rewrite(path, settings='{"name": "gru4rec", "width": 8}'),
    "unknown network": lambda path: _rewrite(path, settings='{"name": "nonesuch"}'),
    "settings cut": lambda path: _rewrite(path, settings='{"name": "gru'),
    "version no number": lambda path: _rewrite(path, format="one"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_clear_line(damage: str, file: Path) -> None:
    DAMAGES[damage](file)
    with pytest.raises(StudioError, match="teacher's file is damaged") as caught:
        load_teacher(file, N_ITEMS)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="no teacher here"):
        load_teacher(tmp_path / "teacher.safetensors", N_ITEMS)


def test_a_newer_file_asks_for_an_update(file: Path) -> None:
    _rewrite(file, format="3", settings='{"attention": "quantum"}')
    with pytest.raises(StudioError, match="update DELRec Studio"):
        load_teacher(file, N_ITEMS)


def test_another_catalogue_is_refused(file: Path) -> None:
    with pytest.raises(StudioError, match="knows 13 items, the catalogue has 1682"):
        load_teacher(file, 1682)


def test_a_file_of_before_architectures_had_settings_of_their_own_is_read(train: Train, tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    teacher = train("caser", tmp_path / "checkpoint", epochs=1, validate_every=1, caser={"filters": 4})
    teacher.save(path)
    earlier = {"name": "caser", "max_length": 6, "width": 16, "layers": 2, "heads": 1, "filters": 4}
    _rewrite(path, format="1", settings=json.dumps(earlier))
    loaded = load_teacher(path, N_ITEMS)
    np.testing.assert_array_equal(loaded.catalogue_scores([walk(3, 4)]), teacher.catalogue_scores([walk(3, 4)]))


@pytest.mark.parametrize(
    ("name", "own"),
    [("gru4rec", {"hidden": 20}), ("caser", {"filters": 3}), ("gsasrec", {"negatives": 5, "t": 0.5})],
)
def test_an_architecture_s_own_settings_go_with_its_weights(
    name: str, own: dict[str, object], train: Train, tmp_path: Path
) -> None:
    teacher = train(name, tmp_path / "checkpoint", epochs=1, validate_every=1, **{name: own})
    teacher.save(tmp_path / "teacher.safetensors")
    loaded = load_teacher(tmp_path / "teacher.safetensors", N_ITEMS)
    np.testing.assert_array_equal(loaded.catalogue_scores([walk(3, 4)]), teacher.catalogue_scores([walk(3, 4)]))
