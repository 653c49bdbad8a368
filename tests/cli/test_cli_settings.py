"""``delrec settings`` and ``delrec doctor``."""

from __future__ import annotations

import json

import pytest
from cli_shell import Shell

from engine.architectures import ARCHITECTURES
from engine.config import RunConfig
from engine.settings import flatten
from webapp.commands import doctor


def test_all_settings_are_listed_with_default_unit_and_help(shell: Shell) -> None:
    said = shell("settings", "--json")
    found = {setting["name"]: setting for setting in json.loads(said.out)}
    assert {name: setting["default"] for name, setting in found.items()} == dict(flatten(RunConfig()))
    assert found["data.history"]["unit"] == "items"
    assert found["teacher.name"]["choices"] == list(ARCHITECTURES)
    assert found["eval.llm_rows"]["kind"] == "list"
    assert (found["distill.ta"]["kind"], found["distill.lr"]["kind"], found["eval.users"]["kind"]) == (
        "switch",
        "number",
        "whole",
    )


def test_settings_are_found_by_words(shell: Shell) -> None:
    lines = shell("settings", "adalora", "rank").out.splitlines()
    assert any(line.startswith("finetune.init_r = ") for line in lines)
    assert not any(line.startswith("data.") for line in lines)


def _checks(monkeypatch: pytest.MonkeyPatch, *checks: tuple[str, str, doctor.CheckAnswer]) -> None:
    offline = [check for check in doctor.CHECKS if check[0] in ("machine", "storage")]
    given = [(topic, name, lambda answer=answer: answer) for topic, name, answer in checks]
    monkeypatch.setattr(doctor, "CHECKS", (*offline, *given))


def test_doctor_reports_machine_and_storage(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    _checks(monkeypatch, ("data", "cache", ("note", "not fetched")), ("data", "index", ("ok", "answers")))
    said = shell("doctor", "--json")
    assert said.code == 0, said.err
    found = {finding["name"]: finding for finding in json.loads(said.out)}
    assert "torch 2" in found["versions"]["detail"]
    assert "bf16" in found["processor"]["detail"]
    assert "measured" in found["number format"]["detail"]
    assert "0 runs" in found["database"]["detail"]
    assert found["worker"]["state"] == "note"
    assert "none is running" in found["worker"]["detail"]
    assert {finding["state"] for finding in found.values()} <= {"ok", "note"}
    assert (found["cache"]["state"], found["index"]["state"]) == ("note", "ok")


def test_doctor_calls_data_that_no_source_offers_a_problem(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    _checks(monkeypatch, ("data", "cache", ("note", "not fetched")), ("data", "index", ("note", "silent")))
    said = shell("doctor")
    assert said.code == 2
    assert said.err.splitlines() == ["error: 2 problems: cache: not fetched; index: silent"]
    assert "silent" in said.out


def test_doctor_says_once_what_lets_no_source_be_asked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [
        (topic, name, check) for topic, name, check in doctor.CHECKS if check in (doctor._grouplens, doctor._hub)
    ]
    assert len(sources) == 2
    _checks(monkeypatch)
    monkeypatch.setattr(doctor, "CHECKS", (*doctor.CHECKS, *sources))
    monkeypatch.setenv("ALL_PROXY", "gopher://me:secret@proxy")
    said = shell("doctor")
    assert said.code == 2
    assert said.err.count("proxy setting cannot be used") == 1
    assert "secret" not in said.err + said.out
    assert said.err.count(doctor.UNTRIED) == 2


def test_doctor_examines_a_broken_queue_like_everything_else(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    _checks(monkeypatch)
    monkeypatch.setenv("DELREC_QUEUE_URL", "carrier-pigeon://loft")
    said = shell("doctor", "--json")
    assert said.code == 2
    states = {finding["name"]: finding["state"] for finding in json.loads(said.out)}
    assert (states["queue"], states["database"]) == ("problem", "ok")
    assert states["environment variables"] == "problem"
