"""``delrec explain``: reasons in the terminal and as JSON; bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_shell import Shell

from engine.default_row import chosen_row
from engine.run_folder import RunFolder
from jobs import requests


def test_a_test_user_is_explained(shell: Shell, smoke: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "why.json"
    said = shell("explain", "--run", "first", "--user", "1", "--model", "DELRec", "--json", str(file))
    assert said.code == 0, said
    answer = json.loads(file.read_text(encoding="utf-8"))
    assert answer["run_id"] == smoke["run_id"]
    assert answer["run"]["model"] == "delrec"
    assert answer["prompt"]["adapter"] is not None
    assert [rung["model"] for rung in answer["ladder"]][1:] == [
        *("llm-zero-shot", "llm-distilled", "delrec", "delrec-plus"),
    ]  # fmt: skip
    assert set(answer["run"]["plus"]) == {"sasrec", "text", "delrec"}
    assert len(answer["effects"]["model"]["delete"]["margin"]) == len(answer["history"]) > 1
    words = " ".join(said.out.split())
    assert " ".join(answer["summary"]["sentence"].split()) in words
    assert answer["counterfactual"]["sentence"] in words
    assert "completeness error" in words


def test_any_row_is_explained_the_one_that_was_best_by_default(
    shell: Shell, smoke: dict[str, Any], smoke_home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "why.json"
    run = ("explain", "--run", "first", "--user", "1", "--json", str(file), "--only")
    best = chosen_row(RunFolder(smoke_home / "runs" / smoke["run_id"])).row
    for row, beside in ((None, "sasrec"), ("sasrec", "delrec"), ("popularity", "delrec-plus")):
        named = () if row is None else ("--model", row, "--beside", beside)
        said = shell(*run, "summary", *named)
        assert said.code == 0, said
        about = json.loads(file.read_text(encoding="utf-8"))["run"]
        assert (about["model"], about["beside"]) == (row or best, beside)
    said = shell(*run, "gradients", "--model", "popularity")
    assert "no inputs to differentiate" in said.out
    for wrong in (("--model", "nobody"), ("--model", "sasrec", "--beside", "SASRec")):
        said = shell(*run, "summary", *wrong)
        assert (said.code, said.err.count("\n")) == (2, 1), said


def test_where_no_writer_is_named_nothing_is_sent_elsewhere(shell: Shell, smoke: dict[str, Any]) -> None:
    said = shell("explain", "--run", "first", "--user", "1", "--elsewhere", "--only", "rationale")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "explain.writer_url" in said.err
    said = shell("explain", "--run", "first", "--user", "1", "--elsewhere", "--only", "summary")
    assert said.code == 2
    assert "--only rationale" in said.err


def test_ones_own_titles_are_explained_part_by_part(shell: Shell, smoke: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "why.json"
    shell("explain", "--run", "first", "--user", "1", "--only", "ladder", "--json", str(file))
    known = json.loads(file.read_text(encoding="utf-8"))["history"][0]["title"]
    titles = f"{known}; <script>alert(1)</script>"
    said = shell("explain", "--run", "first", "--titles", titles, "--only", "effects", "--json", str(file))
    assert said.code == 0, said
    answer = json.loads(file.read_text(encoding="utf-8"))
    assert "summary" not in answer
    assert [item["known"] for item in answer["history"]] == [True, False]
    assert "<script>alert(1)</script>" in said.out
    assert "only what reads titles sees" in said.out


def test_a_rival_is_chosen_and_an_edited_history_keeps_the_candidates(
    shell: Shell, smoke: dict[str, Any], smoke_home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "why.json"
    run = ("explain", "--run", "first", "--user", "2", "--json", str(file))
    shell(*run, "--only", "ladder")
    whole = json.loads(file.read_text(encoding="utf-8"))
    rival = next(item for item in whole["candidates"] if item["item"] != whole["target"]["item"])
    said = shell(*run, "--only", "rather", "--rival", rival["title"])
    answer = json.loads(file.read_text(encoding="utf-8"))
    assert answer["rather"]["rather_than"]["item"] == rival["item"]
    assert f"Rather than {rival['title']}" in " ".join(said.out.split())
    titles = "; ".join(item["title"] for item in whole["history"][1:])
    shell(*run, "--titles", titles, "--only", "ladder")
    edited = json.loads(file.read_text(encoding="utf-8"))
    assert edited["candidates"] == whole["candidates"]
    assert edited["history"] == whole["history"][1:]


def test_items_are_named_by_id_and_titles_hold_the_separator(
    shell: Shell, smoke: dict[str, Any], smoke_home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "why.json"
    run = ("explain", "--run", "first", "--user", "2", "--only", "ladder", "--json", str(file))
    shell(*run)
    whole = json.loads(file.read_text(encoding="utf-8"))
    *_, one, other = whole["candidates"]
    titles = f"id:{one['raw_id']}; Steins\\;Gate; a\\b"
    said = shell("explain", "--run", "first", "--titles", titles, "--item", f"id:{other['raw_id']}", *run[5:])
    assert said.code == 0, said
    answer = json.loads(file.read_text(encoding="utf-8"))
    assert [item["title"] for item in answer["history"]] == [one["title"], "Steins;Gate", "a\\b"]
    assert answer["target"]["raw_id"] == other["raw_id"]
    again = shell(*run, "--item", other["raw_id"])
    assert again.code == 0, again
    assert json.loads(file.read_text(encoding="utf-8"))["target"]["raw_id"] == other["raw_id"]
    for option in ("--item", "--rival", "--titles"):
        assert "no item has the id 'none'" in shell.refuses(*run, option, "id:none")


def test_what_was_understood_as_another_title_is_said(shell: Shell, smoke: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "why.json"
    run = ("explain", "--run", "first", "--only", "effects", "--json", str(file))
    shell(*run, "--user", "2")
    title = json.loads(file.read_text(encoding="utf-8"))["history"][0]["title"]
    assert "typed" not in shell(*run, "--titles", title).out
    assert "(typed “" in shell(*run, "--titles", title.replace(" (", "! (")).out


def test_what_was_asked_before_is_taken_from_the_store(
    shell: Shell, smoke: dict[str, Any], smoke_home: Path, tmp_path: Path
) -> None:
    run = ("explain", "--run", "first", "--user", "3", "--only", "summary")
    first = shell(*run)
    adapter = smoke_home / "runs" / smoke["run_id"] / "adapter"
    hidden = adapter.rename(adapter.with_name("adapter-away"))
    try:
        assert shell(*run).out == first.out, "no model is needed for what is known"
    finally:
        hidden.rename(adapter)


def test_bad_input_is_refused_in_one_line(shell: Shell, smoke: dict[str, Any], tmp_path: Path) -> None:
    run = ("explain", "--run", "first")
    assert "whose recommendation?" in shell.refuses(*run)
    assert "no item" in shell.refuses(*run, "--user", "1", "--rival", "Zzyzx Road 77")
    assert "no test user 'nobody'" in shell.refuses(*run, "--user", "nobody")
    assert "no part 'magic'" in shell.refuses(*run, "--user", "1", "--only", "magic")
    assert "history is empty" in shell.refuses(*run, "--titles", " ; ")
    assert "none of these titles is known" in shell.refuses(*run, "--titles", "🎬🎬🎬; {{x}}")
    assert "501 titles" in shell.refuses(*run, "--titles", ";".join(f"title {n}" for n in range(501)))
    assert "no item" in shell.refuses(*run, "--user", "1", "--item", "Zzyzx Road 77")
    assert "no run 'gone'" in shell.refuses("explain", "--run", "gone", "--user", "1")
    missing = str(tmp_path / "no" / "file.json")
    assert "no folder to stand in" in shell.refuses(*run, "--user", "1", "--json", missing)


@pytest.mark.parametrize(
    "lost",
    [
        "adapter/adapter_model.safetensors",
        "soft_prompt.safetensors",
        "head.safetensors",
        "plus.json",
        "teacher.safetensors",
        "text.safetensors",
        "data.safetensors",
        "calibration.json",
        "llm.json",
        "config.yaml",
    ],
)
def test_a_row_without_its_files_is_refused(lost: str, shell: Shell, smoke: dict[str, Any], smoke_home: Path) -> None:
    file = smoke_home / "runs" / smoke["run_id"] / lost
    hidden = file.rename(file.with_name("away"))
    requests._loaded.cache_clear()  # commands of these tests share a process, and with it the models
    try:
        told = shell.refuses(
            "explain", "--run", "first", "--user", "4", "--only", "summary", "--model", "llm-distilled"
        )
        assert f"{file.name} is gone" in told or f"has no {file.name}" in told
        assert str(file) in told.replace("\n", "")
    finally:
        hidden.rename(file)


def test_the_trust_figures_of_a_run(shell: Shell, smoke: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "trust.json"
    said = shell("faithfulness", "--run", "first", "--model", "delrec-plus", "--users", "3", "--json", str(file))
    assert said.code == 0, said
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert figures["users"] == 3
    for name in ("comprehensiveness", "sufficiency"):
        assert set(figures[name]) == {"loo", "ig", "random"}
    leaves = [*figures["comprehensiveness"].values(), *figures["tau"].values(), figures["grounded_share"]]
    assert all(leaf["low"] <= leaf["value"] <= leaf["high"] for leaf in [*leaves, figures["invented_titles"]])
    assert "integrated gradients" in said.out
    assert "leave-one-out, normalised" in said.out
    assert "two users" in shell.refuses("faithfulness", "--run", "first", "--users", "1")


def test_what_drives_each_row_of_a_run(shell: Shell, smoke: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "drivers.json"
    rows = ("--model", "SASRec", "--model", "llm-distilled", "--model", "delrec")
    said = shell("drivers", "--run", "first", "--users", "3", *rows, "--json", str(file))
    assert said.code == 0, said
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert list(figures["rows"]) == ["sasrec", "llm-distilled", "delrec"]
    assert [it["stage"] for it in figures["stages"]] == ["stage 2"]
    for row in figures["rows"].values():
        assert row["sentence"] in " ".join(said.out.split())
    assert "Stage 2 (LLM distilled → DELRec): chosen item first" in said.out
    assert "two users" in shell.refuses("drivers", "--run", "first", "--users", "1")
    assert "no row 'nonsense'" in shell.refuses("drivers", "--run", "first", "--model", "nonsense")
