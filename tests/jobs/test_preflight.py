"""What would make a run fail is said before it is queued, with what to do about it."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path

import pytest

from db import workers
from db.owner import Owner
from engine.errors import StudioError
from engine.monitor import Monitor
from engine.presets import PRESETS
from engine.run_folder import RunFolder
from engine.settings import load_config
from jobs import preflight as looks
from jobs.forecast import forecast
from jobs.preflight import Check, preflight, refuse_problems
from jobs.resources import Gpu, Resources


def _checks(*overrides: str, preset: str = "smoke") -> dict[str, Check]:
    config = load_config(preset, overrides=overrides)
    found = preflight(config, forecast(config))
    # The gravest of those with one name: several looks may share it.
    return {c.name: c for c in sorted(found, key=lambda c: ("ok", "note", "problem").index(c.state))}


def test_a_run_that_can_start_has_nothing_against_it() -> None:
    found = _checks()
    assert set(found) == {"Data", "Language model", "Ranks and layers", "Device", "Disk", "Memory"}
    assert {check.state for check in found.values()} == {"ok"}
    config = load_config("smoke")
    refuse_problems(config, forecast(config))


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_is_a_problem_with_data_that_are_here(preset: str, tmp_path: Path) -> None:
    (tmp_path / "Some.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n1\t2\t3\n")
    (tmp_path / "Some.item").write_text("item_id:token\ttitle:token_seq\n2\tTwo\n")
    found = _checks("data.dataset=recbole", f"data.path={tmp_path}", preset=preset)
    assert found["Data"].state == "ok"
    assert not [check for check in found.values() if check.state == "problem"]


def test_a_soft_prompt_that_is_not_what_its_run_left_is_a_problem(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", load_config("smoke"))
    with run.stage("distil", Monitor()):
        run.soft_prompt.write_bytes(b"as it was left")
    use = ("distill.prompt=run", f"distill.prompt_run={run.path}")
    assert _checks(*use)["Soft prompt"].state == "ok"
    run.soft_prompt.write_bytes(b"as it is today")
    found = _checks(*use)["Soft prompt"]
    assert (found.state, "is not what stage 'distil' left" in found.detail) == ("problem", True)


@pytest.mark.parametrize(
    ("overrides", "name", "remedy"),
    [
        ("llm.name=nonsense", "Language model", "hub id"),
        ("run.processes=64", "Processes", "run.processes to at most"),
        ("run.placement=sharded", "Weights", "run.processes to at least 2"),
        ("run.placement=offloaded", "Weights", "run.placement=whole"),
        ("finetune.steps=1", "Ranks and layers", "2 or more"),
        ("distill.prompt=run distill.prompt_run=r-abc234", "Soft prompt", "a run that is done"),
        ("distill.prompt=run distill.prompt_run=its-name", "Soft prompt", "by its id"),
        ("distill.prompt=run distill.prompt_run=/no/such/run", "Soft prompt", "a run that is done"),
        ("data.dataset=csv", "Data", "data.path"),
        ("data.dataset=csv data.path=/no/such/folder", "Data", "correct data.path"),
        ("data.dataset=ml-1m", "Data", "delrec data fetch ml-1m"),
        ("data.dataset=ml-1m data.path=/", "Data", "correct data.path"),
        ("data.dataset=nonsense", "Data", "choose one of"),
    ],
)
def test_what_would_fail_is_a_problem_with_a_remedy(overrides: str, name: str, remedy: str) -> None:
    found = _checks(*overrides.split())[name]
    assert found.state == "problem"
    assert remedy in found.remedy
    config = load_config("smoke", overrides=overrides.split())
    with pytest.raises(StudioError, match=remedy):
        refuse_problems(config, forecast(config))


def test_a_device_that_is_not_here_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "has_gpu", lambda: False)
    monkeypatch.setattr(looks.environment, "has_bf16", lambda: False)
    assert _checks("llm.device=cuda:1")["Device"].state == "problem"
    assert "auto" in _checks("llm.dtype=bfloat16")["Device"].remedy
    monkeypatch.setattr(looks, "has_gpu", lambda: True)
    assert _checks("llm.device=cuda:1")["Device"].state == "ok"


def test_what_is_fetched_is_a_note() -> None:
    found = _checks(preset="quickstart")
    assert found["Data"].state == found["Language model"].state == "note"
    assert "set data.path" in found["Data"].remedy


@pytest.mark.parametrize(
    "facts",
    [
        {"num_hidden_layers": 4, "max_position_embeddings": 100, "hidden_size": 16},
        {"n_layer": 4, "n_positions": 100, "n_embd": 16},
        {"n_layers": 4, "max_seq_len": 100, "d_model": 16},
        {"text_config": {"num_hidden_layers": 4, "max_position_embeddings": 100, "hidden_size": 16}, "d_model": 16},
    ],
)
def test_a_model_s_own_figures_are_read_without_loading_it(facts: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(facts))
    found = _checks(f"llm.name={tmp_path}", "finetune.top_layers=5")
    assert "has 4 layers" in found["Ranks and layers"].detail
    assert found["Prompt length"].state == "note"
    assert "100 fit" in found["Prompt length"].detail
    assert "width of 16" in _checks(f"llm.name={tmp_path}", "finetune.init_r=17")["Ranks and layers"].detail


def test_little_disk_or_memory_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(looks.shutil, "disk_usage", lambda _: usage(free=10**8))
    memory = namedtuple("memory", "available total")
    monkeypatch.setattr(looks.psutil, "virtual_memory", lambda: memory(available=10**8, total=10**9))
    found = _checks()
    assert "0.1 GB free" in found["Disk"].detail
    assert "DELREC_HOME" in found["Disk"].remedy
    assert found["Memory"].state == "note"


def test_disk_is_wanted_for_what_passes_come_back_to(tmp_path: Path) -> None:
    sizes = {"hidden_size": 576, "num_hidden_layers": 30, "vocab_size": 49152, "num_attention_heads": 9}
    (tmp_path / "config.json").write_text(json.dumps(sizes))

    def wanted(passes: int) -> float:
        text = _checks(f"llm.name={tmp_path}", f"finetune.passes={passes}", preset="sparse")["Disk"].detail
        return float(text.split("about ")[1].split()[0])

    assert wanted(2) - wanted(1) == pytest.approx(1000 * 16 * 260 * 576 * 2 / 1e9, abs=0.11)


LLAMA_70B = {
    **{"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64},
    **{"num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False, "hidden_act": "silu"},
}


def test_a_model_whose_weights_do_not_fit_is_a_problem_and_each_process_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_70B))
    memory = namedtuple("memory", "available total")
    monkeypatch.setattr(looks, "has_gpu", lambda: False)
    monkeypatch.setattr(looks.psutil, "virtual_memory", lambda: memory(available=90e9, total=100e9))
    named = f"llm.name={tmp_path}"
    found = _checks(named)["Memory"]
    assert (found.state, "alone take about 282.2 GB, this machine has 100.0" in found.detail) == ("problem", True)
    assert _checks(named, "run.memory=500")["Memory"].state == "note"  # a worker elsewhere has it
    monkeypatch.setattr(looks.quantization, "find_spec", lambda _: True)
    assert _checks(named, "llm.weights=4bit", "llm.micro_batch=1")["Memory"].state == "ok"
    monkeypatch.setattr(looks.environment, "cores", lambda: 2)
    assert _checks(named, "llm.weights=4bit", "llm.micro_batch=1", "run.processes=2")["Memory"].state == "note"


def test_what_fits_a_gpu_is_said_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this machine, of a worker elsewhere where the run waits for one, and of one that the driver does not name."""
    monkeypatch.setattr(looks, "has_gpu", lambda: True)

    def said(gpu_mb: float, *overrides: str) -> tuple[str, str, str]:
        monkeypatch.setattr(looks, "own_gpus", lambda: (Gpu("A GPU", gpu_mb),))
        found = _checks(*overrides, preset="paper")["Memory"]
        return found.state, found.detail, found.remedy

    state, detail, _ = said(80_000)
    assert (state, "with llm.micro_batch=20; the GPU has 80.0 GB" in detail) == ("ok", True)
    state, detail, remedy = said(24_000)
    assert (state, "llm.weights=4bit, or run.placement=offloaded" in remedy) == ("note", True)
    assert said(24_000, "llm.micro_batch=1")[0] == "ok"
    assert said(24_000, "run.processes=2", "llm.micro_batch=1")[0] == "ok", "each has a GPU of its own"
    assert "seen when the run starts" in said(0)[1]
    assert "the GPU has" not in said(24_000, "llm.device=cpu")[1]

    assert "seen when the run starts" in said(80_000, "run.device=gpu")[1]  # for whichever worker comes
    offers = Resources(cores=8, memory_mb=1e5, gpus=(Gpu("Small", 8_000.0), Gpu("Larger", 12_000.0)))
    workers.beat(Owner(7, 1.0, "elsewhere", "another start"), offers.as_dict())
    state, detail, _ = said(80_000, "run.device=gpu")
    assert (state, "the GPU has 12.0 GB" in detail) == ("note", True)


def test_quantization_that_only_this_machine_lacks_is_no_problem_for_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_hidden_layers": 20}))
    monkeypatch.setattr(looks.quantization, "find_spec", lambda _: None)
    wanted = (f"llm.name={tmp_path}", "llm.weights=4bit")
    assert _checks(*wanted)["Language model"].state == "problem"
    assert _checks(*wanted, "run.device=gpu")["Language model"].state == "note"
