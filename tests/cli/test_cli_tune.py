"""``delrec tune``: looked at, started, told, closed, and refused in one line."""

from __future__ import annotations

import json

import pytest
from cli_shell import Shell

from jobs import api

RANGE = ("--preset", "smoke", "--vary", "finetune.lr=1e-4..1e-2")


def test_a_search_is_looked_at_started_told_and_closed(shell: Shell) -> None:
    looked = shell("tune", *RANGE, "--vary", "teacher.name=sasrec,gru4rec", "--trials", "7", "--dry-run")
    assert "finetune.lr: 0.0001 to 0.01, by its logarithm" in looked.out
    assert "7 trials at most" in looked.out
    assert api.runs() == []
    started = shell("tune", *RANGE, "--name", "N")
    assert started.code == 0, started
    assert f"{started.out.strip()}  N: 1 configuration begun" in shell("tune", "list").out
    (listed,) = json.loads(shell("tune", "list", "--json").out)
    assert (listed["name"], listed["tried"], listed["trials"], listed["closed"]) == ("N", 1, 20, False)
    assert listed.items() <= json.loads(shell("tune", "show", "N", "--json").out).items()
    assert "1 of 20 configurations begun: 1 under way" in shell("tune", "show", "N").out
    told = json.loads(shell("tune", "show", "N", "--json").out)
    assert (told["metric"], told["best"]) == ("finetune.NDCG@10", None)
    assert told["runs"][0]["settings"] == "finetune.lr=0.001"
    assert "closed; no trial was validated" in shell("tune", "close", "N").out
    assert "closed already" in shell.refuses("tune", "close", "N")


def test_a_search_is_written_and_started_from_its_file(shell: Shell, tmp_path) -> None:
    file = str(tmp_path / "search.yaml")
    given = ("--vary", "teacher.name=sasrec,gru4rec", "--trials", "5", "--no-pruning", "--set", "distill.steps=3")
    assert shell("tune", *RANGE, *given, "--write", file).code == 0
    assert api.runs() == []
    assert "5 trials at most" in shell("tune", "--plan", file, "--dry-run").out
    for option in (RANGE[:2], RANGE[2:], ("--set", "seed=3"), ("--trials", "9"), ("--no-pruning",), ("--config", file)):
        assert f"{option[0]} does not go with --plan" in shell.refuses("tune", "--plan", file, *option)
    assert shell("tune", "--plan", file, "--name", "N").code == 0
    told = json.loads(shell("tune", "show", "N", "--json").out)
    assert told["space"] == {"finetune.lr": {"low": 1e-4, "high": 1e-2}, "teacher.name": ["sasrec", "gru4rec"]}
    assert api.runs()[0].config["distill"]["steps"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing is searched over"),
        (RANGE[2:], "which settings?"),
        (("--preset", "smoke"), "nothing is searched over"),
        (("--preset", "smoke", "--vary", "finetune.lr=1..1"), "nothing in it to choose from"),
        ((*RANGE, "--set", "finetune.enabled=false"), "nothing to validate"),
        ((*RANGE, "--trials", "0"), "no search"),
        (("close", "nothing"), "no experiment 'nothing'"),
    ],
)
def test_what_cannot_be_searched_is_refused(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    assert said in shell.refuses("tune", *arguments)
    assert api.runs() == []
