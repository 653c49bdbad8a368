"""``delrec experiment``: what it would take, started, led, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_shell import Shell

from engine.experiment.files import plan_from_yaml
from engine.experiment.plan import expand
from jobs import api


def test_an_experiment_is_looked_at_started_and_led(shell: Shell, tmp_path) -> None:
    grid = ("--preset", "smoke", "--vary", "teacher.name=sasrec,gru4rec", "--vary", "distill.prompt=distilled,none")
    looked = shell("experiment", *grid, "--seeds", "0-2", "--dry-run")
    assert "12 runs" in looked.out
    assert api.runs() == []
    started = shell("experiment", *grid, "--seeds", "0-2", "--name", "N")
    assert started.code == 0, started
    assert "N: 12 runs queued" in started.err
    assert f"{started.out.strip()}  N: 12 queued" in shell("experiment", "list").out
    assert shell("experiment", "pause", "N").out == "N: 12 runs waiting\n"
    assert shell("experiment", "resume", "N").out == "N: 12 runs queued\n"
    assert shell("experiment", "cancel", started.out.strip()[:4]).out.endswith("12 runs stopped\n")
    told = json.loads(shell("experiment", "show", "N", "--json").out)
    assert {run["state"] for run in told["runs"]} == {"cancelled"}
    assert told["runs"][1]["variant"] == "teacher.name=sasrec, distill.prompt=none"
    assert shell("experiment", "add", "others", "N-1", "N-2").out == "others: 2 runs added\n"
    assert shell("experiment", "show", "N", "--write", str(tmp_path / "N.yaml")).code == 0
    api.delete("N-1")
    assert shell("experiment", "show", "N").out.startswith(f"N ({told['id']}): 11 cancelled, 1 deleted\n")
    assert json.loads(shell("experiment", "show", "N", "--json").out)["deleted"] == 1
    assert "12 runs queued" in shell("experiment", "--plan", str(tmp_path / "N.yaml"), "--name", "again").err
    assert "no plan" in shell.refuses("experiment", "show", "others", "--write", str(tmp_path / "others.yaml"))
    assert "11 runs deleted" in shell("experiment", "delete", "N", "--with-runs", "--yes").out


def test_a_plan_is_written_and_started_from_its_file(shell: Shell, tmp_path) -> None:
    file = str(tmp_path / "plan.yaml")
    assert shell("experiment", "--preset", "smoke", "--template", "ablations", "--write", file).code == 0
    assert shell("experiment", "--plan", file).code == 0
    planned = expand(plan_from_yaml(Path(file).read_text(encoding="utf-8"), file)[0])
    assert {run.name.rpartition("-")[2] for run in api.runs()} == {str(n + 1) for n in range(len(planned))}
    for option in (
        ("--preset", "smoke"),
        ("--set", "seed=3"),
        ("--config", file),
        ("--data", "ml-100k"),
        ("--seeds", "0"),
    ):
        assert f"{option[0]} does not go with --plan" in shell.refuses("experiment", "--plan", file, *option)
    like = shell("experiment", "--like", api.runs()[0].id, "--vary", "eval.users=5,6", "--dry-run")
    assert "2 runs" in like.out


def test_variants_that_the_configuration_cannot_have_are_told_and_kept(shell: Shell, tmp_path: Path) -> None:
    base = ("--preset", "smoke", "--template", "ablations", "--set", "distill.prompt=none")
    told = "left out: without TA: there is no pair of TA and RPS with distill.prompt=none\n"
    looked = shell("experiment", *base, "--dry-run")
    assert told in looked.err
    written = shell("experiment", *base, "--write", str(tmp_path / "plan.yaml"))
    planned = expand(plan_from_yaml((tmp_path / "plan.yaml").read_text(encoding="utf-8"), "file")[0])
    assert {"as it stands", "without stage 2"} <= {run.label for run in planned}
    assert f"{len(planned)} runs" in looked.out
    assert told in written.err
    started = shell("experiment", "--plan", str(tmp_path / "plan.yaml"), "--name", "N")
    assert told in started.err
    assert f"  {told}" in shell("experiment", "show", "N").out
    left_out = json.loads(shell("experiment", "show", "N", "--json").out)["left_out"]
    assert left_out["without TA"] in told
    assert set(left_out) > {"no prompt", "without TA"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which settings?"),
        (("--preset", "smoke", "--vary", "distil.steps=1"), "did you mean distill.steps?"),
        (
            ("--preset", "smoke", "--set", "distill.prompt=run", "--vary", "distill.prompt_run=A,B"),
            "distill.prompt_run=A: run A has no soft prompt",
        ),
        (
            ("--preset", "smoke", "--vary", "llm.name=/nowhere,tiny-causal"),
            "'/nowhere' is not known",
        ),
        (
            ("--preset", "smoke", "--template", "ablations=caser", "--set", "distill.prompt=none"),
            "prompt of Caser: there is no prompt of its own teacher",
        ),
        (("--preset", "smoke", "--vary", "distill.steps=5,5", "--write", "/nowhere/plan.yaml"), "5 comes twice"),
        (("--plan", "/nowhere.yaml"), "cannot read"),
        (("show", "nothing"), "no experiment 'nothing'"),
        (("add", "new", "nothing"), "no run 'nothing'"),
    ],
)
def test_what_cannot_be_started_is_refused(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    assert said in shell.refuses("experiment", *arguments)
    assert api.runs() == []
