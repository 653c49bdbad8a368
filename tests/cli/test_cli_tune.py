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
    assert "1 of 20 configurations begun: 1 under way" in shell("tune", "show", "N").out
    told = json.loads(shell("tune", "show", "N", "--json").out)
    assert (told["metric"], told["best"]) == ("finetune.NDCG@10", None)
    assert told["runs"][0]["settings"] == "finetune.lr=0.001"
    assert "closed; no trial was validated" in shell("tune", "close", "N").out
    assert "closed already" in shell.refuses("tune", "close", "N")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which settings?"),
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
