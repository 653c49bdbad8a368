"""Bad input: one line that says what, where and how to mend it, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from cli_shell import Shell, listed

from engine.settings import load_config
from jobs import api

SMOKE = ("run", "--preset", "smoke")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--preset", "smok"), "quickstart"),
        (("run",), "--preset"),
        ((*SMOKE, "--set", "distil.steps=3"), "did you mean distill.steps"),
        ((*SMOKE, "--set", "distill.step=3"), "did you mean distill.steps"),
        ((*SMOKE, "--set", "distill.steps"), "write it as"),
        ((*SMOKE, "--set", "distill.steps=many"), "distill.steps"),
        ((*SMOKE, "--set", "teacher.name=bert5rec"), "sasrec"),
        ((*SMOKE, "--set", "finetune.init_r=2"), "finetune.target_r=2"),
        ((*SMOKE, "--set", "distill.teacher_top=11"), "data.candidates=10"),
        ((*SMOKE, "--set", "seed=[1"), "seed='[1' is not usable"),
        ((*SMOKE, "--set", "teacher.lr=inf"), "finite number"),
        ((*SMOKE, "--config", "nowhere.yaml"), "nowhere.yaml"),
        ((*SMOKE, "--json", "nowhere/results.json"), "nowhere/results.json"),
        ((*SMOKE, "--name", "two\nlines"), "cannot name a run"),
        ((*SMOKE, "--set", "llm.name=no-such-model"), "hub id"),
        ((*SMOKE, "--set", "data.dataset=csv"), "data.path"),
        ((*SMOKE, "--set", "run.memory=1000000"), "queue the run"),
        (("run", "--presett", "smoke"), "delrec run --help"),
        (("launch", "--preset", "smoke", "--set", "llm.name=nonsense"), "hub id"),
        (("launch", "--preset", "smoke", "--set", "data.dataset=csv"), "data.path"),
        (("rum",), "delrec --help"),
        (("resume", "r-nosuch"), "delrec runs"),
        (("resume", "x", "--queue", "--json", "x.json"), "--queue"),
        (("cancel", "r-nosuch"), "r-nosuch"),
        (("recommend", "--run", "r-nosuch", "--titles", "Heat"), "r-nosuch"),
        (("recommend", "--titles", "Heat"), "--run"),
        (("settings", "unheard-of"), "unheard-of"),
        (("serve", "--port", "70000"), "65535"),
        (("serve", "--host", "0.0.0.0"), "DELREC_PASSWORD"),
        (("serve", "--first-run", "nosuch"), "quickstart"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_refused_before_anything_is_recorded(
    shell: Shell, arguments: tuple[str, ...], said: str, delrec_home: Path
) -> None:
    assert said in shell.refuses(*arguments)
    assert not (delrec_home / "runs").exists() or not list((delrec_home / "runs").iterdir())
    assert listed(shell) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("data.candidates=61", "60 items"),
        (
            "llm.prompts=candidates llm.verbalizer=title-tokens plus.enabled=false finetune.soft_labels=0"
            " data.history=200 data.candidates=40 distill.soft_tokens=500",
            "context",
        ),
        ("finetune.targets=[nowhere]", "finetune.targets"),
    ],
)
def test_settings_that_do_not_fit_data_or_model_fail_the_run_with_the_same_line(
    shell: Shell, settings: str, said: str, delrec_home: Path
) -> None:
    line = shell.refuses(*SMOKE, *(word for setting in settings.split() for word in ("--set", setting)))
    assert said in line
    (run,) = listed(shell)
    assert run["state"] == "failed"
    assert run["error"] in line
    assert not list(delrec_home.rglob("metrics.json"))


def test_settings_file_with_a_fault_names_file_and_line(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("distill:\n  steps: [3\n")
    line = shell.refuses("run", "--config", str(file))
    assert str(file) in line
    assert "line" in line


def test_settings_file_that_is_no_text(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in shell.refuses("run", "--config", str(file))


def test_data_folder_that_cannot_be_written(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DELREC_HOME", str(tmp_path / "file" / "home"))
    for arguments in (SMOKE, ("launch", "--preset", "smoke"), ("runs",)):
        assert "DELREC_HOME" in shell.refuses(*arguments)


def test_name_that_is_taken(shell: Shell) -> None:
    assert shell("launch", "--preset", "smoke", "--name", "mine").code == 0
    assert "mine" in shell.refuses("launch", "--preset", "smoke", "--name", "mine")


def test_beginning_of_an_id_that_several_runs_share(shell: Shell) -> None:
    for _ in range(2):
        assert shell("launch", "--preset", "smoke").code == 0
    assert "several runs" in shell.refuses("cancel", "r-")


def test_run_that_has_not_finished_cannot_recommend(shell: Shell) -> None:
    run_id = api.launch(load_config("smoke"), "smoke")
    assert "queued" in shell.refuses("recommend", "--run", run_id, "--titles", "Heat")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--titles", " ; "), "--titles"),
        (("--titles", "Zzyzx Quux; Qqqq"), "none of these titles is known: Zzyzx Quux; Qqqq"),
        (("--titles", "Heat", "--k", "0"), "k"),
        (("--titles", "Heat", "--k", "61"), "60"),
        (("--titles", "Heat", "--k", "some"), "--k"),
    ],
)
def test_recommendations_that_cannot_be_given(
    shell: Shell, smoke: dict[str, Any], arguments: tuple[str, ...], said: str
) -> None:
    assert said in shell.refuses("recommend", "--run", smoke["run_id"], *arguments)


def test_finished_run_cannot_be_resumed(shell: Shell, smoke: dict[str, Any]) -> None:
    assert "done" in shell.refuses("resume", smoke["run_id"])


def test_run_folder_of_a_newer_version(shell: Shell, delrec_home: Path) -> None:
    run_id = shell("launch", "--preset", "smoke").out.strip()
    assert shell("cancel", run_id).code == 0
    folder = delrec_home / "runs" / run_id
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"format": 99, "run_id": run_id}))
    assert "newer DELRec Studio" in shell.refuses("resume", run_id)


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        ((), {}, "another port"),
        (("--first-run", "nosuch"), {}, "quickstart"),
        ((), {"DELREC_STOP_GRACE": "long"}, "DELREC_STOP_GRACE"),
        ((), {"SSL_CERT_FILE": "/nowhere/ca.pem"}, "SSL_CERT_FILE=/nowhere/ca.pem"),
        ((), {"ALL_PROXY": "socks4://localhost:1080"}, "ALL_PROXY"),
        (("--host", "0.0.0.0"), {}, "DELREC_PASSWORD"),
        (("--root-path", "studio"), {}, "--root-path"),
    ],
)
def test_a_port_in_use_is_told_after_all_that_is_wrong_with_the_settings(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], settings: dict[str, str], said: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert said in shell.refuses("serve", "--port", str(taken.getsockname()[1]), *arguments)


def test_unexpected_faults_are_one_line_with_the_trace_in_a_file(
    shell: Shell, delrec_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str = "") -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(api, "runs", broken)
    said = shell("runs")
    assert said.code == 1
    assert said.err.splitlines() == [f"error: unexpected KeyError — the full trace is in {delrec_home / 'errors.log'}"]
    assert "secret detail" in (delrec_home / "errors.log").read_text()
