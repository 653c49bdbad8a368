"""What holds for every data set of the registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine import datasets
from engine.config import DataConfig
from engine.data import load_dataset
from engine.errors import StudioError
from engine.fields import describe
from engine.monitor import Monitor
from engine.places import data_fault, data_presence


@pytest.mark.parametrize("name", datasets.names())
def test_every_entry_says_what_it_is_and_whether_it_is_here(name: str) -> None:
    reader = datasets.reader(name)
    assert reader.title
    assert reader.about
    assert "\n" not in reader.about
    config = DataConfig(dataset=name)
    assert (data_presence(config) == "unknown") == (data_fault(config) is not None)


@pytest.mark.parametrize("name", [name for name in datasets.names() if name != "synthetic"])
def test_a_path_where_nothing_is_is_refused_before_and_when_reading(name: str, tmp_path: Path) -> None:
    config = DataConfig(dataset=name, path=str(tmp_path / "absent"))
    assert data_presence(config) == "unknown"
    with pytest.raises(StudioError) as failure:
        load_dataset(config, 0, Monitor())
    for refusal in (data_fault(config), failure.value):
        assert str(tmp_path / "absent") in str(refusal)
        assert "data.path" in str(refusal)


def test_the_setting_s_choices_are_the_registry() -> None:
    setting = next(setting for setting in describe() if setting.name == "data.dataset")
    assert (setting.choices, setting.open) == (datasets.names(), True)


def test_an_unknown_name_is_refused_with_the_like_or_all() -> None:
    with pytest.raises(StudioError, match="did you mean ml-100k"):
        load_dataset(DataConfig(dataset="ml-100"), 0, Monitor())
    with pytest.raises(StudioError, match="choose one of ml-100k"):
        load_dataset(DataConfig(dataset="zzz"), 0, Monitor())


def test_names_are_known_without_loading_a_reader() -> None:
    code = "import sys, engine.config; print(*[m for m in sys.modules if m.startswith('engine.data.') or m == 'numpy'])"
    assert not subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
