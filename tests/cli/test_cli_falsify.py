"""``delrec falsify``: tests of a finished run in the terminal, in its folder, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli_shell import Shell


def test_a_run_is_tested_beside_prompts_distilled_for_it(
    shell: Shell, smoke: dict[str, Any], smoke_home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    said = shell("falsify", "--run", "first", "--users", "12", "--tests", "1,4", "--train", "--json", str(file))
    assert said.code == 0, said.err
    record = json.loads(file.read_text(encoding="utf-8"))
    assert record == json.loads((smoke_home / "runs" / smoke["run_id"] / "falsification.json").read_text())
    assert (record["run_id"], record["users"], record["users_available"]) == (smoke["run_id"], 12, 120)
    assert set(record["controls"]) == {"prompt of GRU4Rec", "prompt of random lists"}
    assert [finding["number"] for finding in record["findings"]] == [1, 4]
    rows = {figure["name"] for figure in record["findings"][1]["figures"]}
    assert {"sasrec", "sasrec shuffled", "delrec", "delrec-plus shuffled"} <= rows
    words = " ".join(said.out.split())
    for finding in record["findings"]:
        assert f"{finding['number']}. {finding['title']}" in words
        assert finding["verdict"].capitalize() in words
    assert "12 of 120 test users" in words
    assert "SASRec shuffled" in words
    assert "Kendall's tau" in words
    assert not {"sasrec", "delrec-plus", "kendall-tau"} & set(words.split()), "names are those that the pages use"
    assert "Test 4 done" in said.err


def test_any_other_teachers_prompt_can_be_compared_with(shell: Shell, smoke: dict[str, Any]) -> None:
    said = shell("falsify", "--run", "first", "--users", "6", "--tests", "1", "--train", "--other", "caser")
    assert said.code == 0, said.err
    assert "prompt of Caser: distilled for this test with the run's settings from Caser" in " ".join(said.out.split())


def test_bad_input_is_refused_in_one_line(shell: Shell, smoke: dict[str, Any]) -> None:
    assert "no run 'nothing'" in shell.refuses("falsify", "--run", "nothing")
    assert "no list of numbers" in shell.refuses("falsify", "--run", "first", "--tests", "all")
    assert "no test 9" in shell.refuses("falsify", "--run", "first", "--tests", "9")
    assert "teacher is sasrec too" in shell.refuses("falsify", "--run", "first", "--other", "first")
    assert "teacher is sasrec too" in shell.refuses("falsify", "--run", "first", "--other", "sasrec")
    assert "two users" in shell.refuses("falsify", "--run", "first", "--users", "1")
