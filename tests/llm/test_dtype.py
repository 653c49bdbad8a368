"""The number format is measured once per machine and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engine.devices import choose_device
from engine.errors import StudioError
from engine.llm import dtype
from engine.monitor import Monitor

CPU = torch.device("cpu")


class Listener(Monitor):
    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [({"float32": 1.0, "bfloat16": 0.25}, torch.bfloat16), ({"float32": 1.0, "bfloat16": 8.0}, torch.float32)],
)
def test_auto_takes_the_faster_format_measures_once_and_says_so(
    seconds: dict[str, float], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch, delrec_home: Path
) -> None:
    measured = []
    monkeypatch.setattr(dtype, "measure", lambda: measured.append(1) or seconds)
    monitor = Listener()
    assert dtype.choose_dtype("auto", CPU, monitor) == expected
    assert dtype.choose_dtype("auto", CPU, monitor) == expected
    assert len(measured) == 1
    assert str(expected).removeprefix("torch.") in monitor.said[0]
    assert [path.name for path in delrec_home.iterdir()] == ["dtype.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"cpu": {"float32": "fast"}}', "null"])
def test_a_damaged_record_is_measured_again(content: str, monkeypatch: pytest.MonkeyPatch, delrec_home: Path) -> None:
    delrec_home.mkdir()
    (delrec_home / "dtype.json").write_text(content)
    monkeypatch.setattr(dtype, "measure", lambda: {"float32": 2.0, "bfloat16": 1.0})
    assert dtype.choose_dtype("auto", CPU, Monitor()) == torch.bfloat16
    (record,) = json.loads((delrec_home / "dtype.json").read_text()).values()
    assert record == {"float32": 2.0, "bfloat16": 1.0}


def test_another_number_of_threads_is_measured_apart(monkeypatch: pytest.MonkeyPatch, delrec_home: Path) -> None:
    monkeypatch.setattr(dtype, "measure", lambda: {"float32": 2.0, "bfloat16": 1.0})
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        dtype.choose_dtype("auto", CPU, Monitor())
    assert len(json.loads((delrec_home / "dtype.json").read_text())) == 2


@pytest.mark.parametrize("setting", ["float32", "bfloat16"])
def test_a_chosen_format_is_taken_without_measuring(setting: str, delrec_home: Path) -> None:
    assert dtype.choose_dtype(setting, CPU, Monitor()) == getattr(torch, setting)
    assert not delrec_home.exists()


def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu", "llm.device").type == "cpu"
    with pytest.raises(StudioError, match=r"no device 'cuda:77' \(llm.device\) — choose auto, cpu"):
        choose_device("cuda:77", "llm.device")


def test_the_measurement_times_both_formats() -> None:
    measured = dtype.measure()
    assert set(measured) == {"float32", "bfloat16"}
    assert all(seconds > 0 for seconds in measured.values())
