"""``delrec reproduce``: tables from finished runs, the same from nothing, and figures that leave their interval."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from cli_shell import Shell

from engine.errors import StudioError
from engine.published import embedded
from engine.published.embedded import BEGIN, END, read_report
from engine.run_folder import RunFolder
from engine.settings import load_config
from jobs import api, experiments

MARKS = "# {name}\n\n<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n\nAfter.\n"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record of the smoke preset without figures, a README and a page of results."""
    docs = tmp_path / "checkout" / "docs"
    docs.mkdir(parents=True)
    (docs.parent / "README.md").write_text(MARKS.format(name="results"))
    (docs / "results.md").write_text(MARKS.format(name="ablations"))
    experiments = {"main": {"preset": "smoke"}, "plain": {"preset": "smoke", "overrides": ["distill.ta=false"]}}
    rows = [
        {"label": "whole", "experiment": "main", "model": "delrec"},
        {"label": "without TA", "experiment": "plain", "model": "delrec"},
    ]
    tables = {
        "results": {"file": "../README.md", "experiment": "main"},
        "ablations": {"file": "results.md", "rows": rows, "columns": ["candidates.HR@1"]},
    }
    path = docs / "results.json"
    path.write_text(json.dumps({"experiments": experiments, "tables": tables}))
    return path


def readme(record: Path) -> str:
    return (record.parent.parent / "README.md").read_text(encoding="utf-8")


def test_a_finished_run_becomes_the_table(shell: Shell, smoke: dict[str, Any], record: Path) -> None:
    before = len(api.runs())
    said = shell("reproduce", "--write", "--what", "readme", "--record", str(record))
    assert said.code == 0, said.err
    assert len(api.runs()) == before, "a run with these settings was there"
    text = readme(record)
    assert text.startswith("# results\n")
    assert text.endswith("<!-- results: end -->\n\nAfter.\n")
    assert "\nold\n" not in text
    value = next(row for row in smoke["models"] if row["name"] == "delrec")["candidates"]["HR@1"]
    (line,) = [line for line in text.splitlines() if line.startswith("| DELRec |")]
    assert f"{value['value']:.3f}" in line
    assert f"[{value['low']:.3f}, {value['high']:.3f}]" in line
    assert "`delrec run --preset smoke`" in text
    assert "| Paired difference | HR@1, 10 candidates | NDCG@5, 10 candidates | NDCG@10, full |" in text
    assert "\n| DELRec − SASRec | " in text
    assert "40 test users" in text

    again = shell("reproduce", "--tables", "--what", "readme", "--record", str(record))
    assert again.code == 0, again
    (record.parent.parent / "README.md").write_text(text.replace(f"{value['value']:.3f}", "0.999"))
    forged = shell("reproduce", "--tables", "--what", "results", "--record", str(record))
    assert forged.code == 1, "its own table is not made yet"
    forged = shell("reproduce", "--tables", "--what", "readme", "--record", str(record))
    assert forged.code == 1
    assert "is not that of the record" in forged.out


def test_from_nothing_the_same_figures_come_and_others_are_told(
    shell: Shell, smoke: dict[str, Any], record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(api.runs())
    said = shell("reproduce", "--write", "--what", "plain", "--record", str(record))
    assert said.code == 0, said
    assert len(api.runs()) <= before + 1, "one experiment alone, and only the tables in which it stands"
    assert "Not yet run: main." in (record.parent / "results.md").read_text()
    assert "old" in readme(record)
    assert shell("reproduce", "--write", "--what", "results", "--record", str(record)).code == 0
    assert "| without TA |" in (record.parent / "results.md").read_text()
    monkeypatch.setenv("DELREC_HOME", str(tmp_path / "elsewhere"))
    work = tmp_path / "work"
    said = shell("reproduce", "--what", "ablations", "--work", str(work), "--record", str(record))
    assert said.code == 0, said
    assert "as recorded" in said.out
    assert len(list((work / "runs").iterdir())) == 2
    assert not (tmp_path / "elsewhere").exists()

    known = json.loads(record.read_text())
    figure = known["experiments"]["main"]["runs"][0]["models"]["delrec"]["candidates.HR@1"]
    figure |= {"value": 0.9, "low": 0.8, "high": 1.0}
    record.write_text(json.dumps(known))
    said = shell("reproduce", "--what", "ablations", "--work", str(work), "--record", str(record))
    assert said.code == 1
    assert "main, seed 0: delrec candidates.HR@1 is 0." in said.out
    assert "recorded 0.9000 [0.8000, 1.0000]" in said.out


@pytest.mark.parametrize("looks", [0, 1])
def test_a_run_that_is_deleted_meanwhile_is_a_sentence(
    shell: Shell, smoke: dict[str, Any], record: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Before it is looked at again, once it was made; and between two of its parts that are read."""
    listed, seen = api.runs, iter(range(9))
    monkeypatch.setattr(api, "runs", lambda: listed() if next(seen) < looks else [])
    monkeypatch.setattr(api, "run_in_foreground", lambda *_: None)
    monkeypatch.setattr(RunFolder, "open", classmethod(lambda _, path: RunFolder(path / "gone")))
    said = shell.refuses("reproduce", "--write", "--what", "readme", "--record", str(record))
    assert ("was deleted while it was needed" in said) == (looks == 0)


def test_data_sets_become_a_table_and_are_compared(shell: Shell, smoke: dict[str, Any], record: Path) -> None:
    known = json.loads(record.read_text())
    known["experiments"]["main"]["title"] = "Made up"
    known["experiments"]["far"] = {
        "preset": "smoke",
        "title": "Far",
        "files": "amazon",
        "overrides": ["data.dataset=recbole"],
    }
    columns = ["candidates.HR@1", "full.NDCG@10"]
    known["tables"] = {"data": {"file": "results.md", "data": ["main", "far"], "columns": columns}}
    page = record.with_name("results.md")
    page.write_text(MARKS.format(name="data"))
    record.write_text(json.dumps(known))
    here = ["--work", os.environ["DELREC_HOME"], "--record", str(record)]
    asked = ["reproduce", "--what", "data", *here]
    assert "name the folder in which amazon lies" in shell.refuses(*asked, "--write")
    said = shell("reproduce", *here)
    assert "left out without --data: data" in said.err
    trial = {"trials": {"controls": {"experiment": "far", "users": 12, "tests": [4]}}}
    tested = {"tables": {"tested": {"file": "results.md", "trials": ["controls"], "columns": []}}}
    record.write_text(json.dumps(known | trial | tested))
    page.write_text(MARKS.format(name="tested"))
    said = shell("reproduce", *here)
    assert (said.code, "left out without --data: tested" in said.err) == (0, True), said
    page.write_text(MARKS.format(name="data"))
    known["tables"]["data"]["data"] = ["far"]
    record.write_text(json.dumps(known))
    assert "/nowhere/amazon" in shell.refuses(*asked, "--write", "--data", str(record.parent / "nowhere"))

    before = len(api.runs())
    record.write_text(json.dumps(known | {"tables": {"data": known["tables"]["data"] | {"data": ["main"]}}}))
    assert shell(*asked, "--write").code == 0
    assert len(api.runs()) == before, "a run with these settings was there"
    known = json.loads(record.read_text())
    text = page.read_text()
    assert f"| Made up | {known['experiments']['main']['runs'][0]['data']['users']} | 60 |" in text
    for row in smoke["models"]:
        assert sum(f"{row['full']['NDCG@10']['value']:.3f}" in line for line in text.splitlines()) >= 1, row["name"]
    rarest = next(part for part in smoke["slices"] if part["by"] == "rarity" and part["users"])
    figure = rarest["models"]["sasrec"]["full.NDCG@10"]
    assert f"{figure['value']:.3f}" in text
    assert f"[{figure['low']:.3f}, {figure['high']:.3f}]" in text
    assert shell(*asked).code == 0

    facts = known["experiments"]["main"]["runs"][0]["data"]
    facts["interactions"] += 1
    (part,) = [part for part in facts["rarity"] if part["name"] == rarest["name"]]
    part["models"]["sasrec"]["full.NDCG@10"] = {"value": 0.9, "low": 0.8, "high": 1.0}
    record.write_text(json.dumps(known))
    said = shell(*asked)
    assert said.code == 1
    assert f"interactions, recorded {facts['interactions']}" in said.out
    assert f"sasrec full.NDCG@10 of targets with {rarest['name']} interactions is" in said.out


def test_falsification_tests_become_a_table_and_are_taken_again_from_nothing(
    shell: Shell, smoke: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    known = json.loads(record.read_text())
    known["trials"] = {"untrained": {"experiment": "main", "users": 12, "tests": [4]}}
    known["tables"] = {"tested": {"file": "tested.md", "trials": ["untrained"], "columns": []}}
    record.write_text(json.dumps(known))
    page = record.with_name("tested.md")
    page.write_text(MARKS.format(name="tested"))
    assert shell("reproduce", "--write", "--what", "tested", "--record", str(record)).code == 0
    assert "`delrec falsify --run RUN --users 12 --tests 4`" in page.read_text(), "no prompt is distilled for these"

    known["trials"] = {"tested": {"experiment": "main", "users": 12, "tests": [1, 4]}}
    known["tables"] = {"tested": {"file": "tested.md", "trials": ["tested"], "columns": ["kendall-tau"]}}
    record.write_text(json.dumps(known))
    before = len(api.runs())
    said = shell("reproduce", "--write", "--what", "tested", "--record", str(record))
    assert said.code == 0, said.err
    assert len(api.runs()) == before, "a run with these settings was there"
    known = json.loads(record.read_text())
    (taken,) = known["trials"]["tested"]["taken"]
    assert (taken["users"], [finding["number"] for finding in taken["findings"]]) == (12, [1, 4])
    text = page.read_text()
    for finding in taken["findings"]:
        assert f"| **{finding['number']}. {finding['title']}** | **{finding['verdict']}** |" in text
    assert "| prompt of random lists | " in text
    assert "| distilled prompt over random prompt: Kendall's tau (decides) | " in text
    assert "| DELRec-plus, in order over shuffled: HR@1 (decides) | " in text
    assert "`delrec run --preset smoke`, then `delrec falsify --run RUN --users 12 --tests 1,4 --train`" in text

    asked = ["reproduce", "--what", "tested", "--work", str(tmp_path / "work"), "--record", str(record)]
    said = shell(*asked)
    assert said.code == 0, said
    (claim, *_) = taken["findings"][0]["claims"]
    claim |= {"value": 0.9, "low": 0.8, "high": 1.0}
    record.write_text(json.dumps(known))
    said = shell(*asked)
    assert said.code == 1
    assert f"tested, seed 0: test 1, {claim['name']} {claim['measure']} is " in said.out
    known["tables"]["tested"]["trials"] = ["gone"]
    record.write_text(json.dumps(known))
    assert "names no trial 'gone'" in shell.refuses(*asked)


def test_of_several_seeds_one_is_made_and_what_is_recorded_of_the_others_stays(
    shell: Shell, smoke: dict[str, Any], record: Path
) -> None:
    known = json.loads(record.read_text())
    known["experiments"]["main"]["seeds"] = [7, 0, 8]
    known["trials"] = {"tested": {"experiment": "main", "users": 12, "tests": [4]}}
    known["tables"]["results"] |= {"experiment": "main", "trials": []}
    known["tables"]["ablations"] = {"file": "results.md", "trials": ["tested"], "columns": []}
    record.write_text(json.dumps(known))
    record.with_name("results.md").write_text(MARKS.format(name="ablations"))
    one = ("--seeds", "0", "--record", str(record))
    before = len(api.runs())
    assert shell("reproduce", "--write", "--what", "all", *one).code == 0
    assert len(api.runs()) == before, "no other seed was run"
    known = json.loads(record.read_text())
    (run,), (taken,) = known["experiments"]["main"]["runs"], known["trials"]["tested"]["taken"]
    assert (run["seed"], taken["seed"]) == (0, 0)
    assert record.with_name("results.md").read_text().count("then `delrec falsify") == 1
    assert "Seed 0;" in readme(record)

    others = [run | {"seed": seed, "minutes": 99.0 + seed} for seed in (8, 7, 5)]
    known["experiments"]["main"]["runs"] = [run | {"minutes": 50.0}, *others]
    known["trials"]["tested"]["taken"] = [taken | {"seed": 8, "run_id": "r-8"}, taken | {"run_id": "r-old"}]
    record.write_text(json.dumps(known))
    assert shell("reproduce", "--write", "--what", "all", *one).code == 0
    known = json.loads(record.read_text())
    minutes = {it["seed"]: it["minutes"] for it in known["experiments"]["main"]["runs"]}
    assert minutes == {7: 106.0, 0: run["minutes"], 8: 107.0}, "5 is no longer a seed of the experiment"
    assert list(minutes) == [7, 0, 8]
    assert [it["run_id"] for it in known["trials"]["tested"]["taken"]] == [taken["run_id"], "r-8"]
    assert "Means over seeds 7, 0, 8," in readme(record)

    said = shell("reproduce", "--what", "all", *one, "--work", os.environ["DELREC_HOME"])
    assert said.code == 0, said.out
    assert len(api.runs()) == before, "other seeds are not compared either"
    assert "choose from 0, 7, 8" in shell.refuses("reproduce", "--seeds", "3", *one[2:])
    assert "names no seeds" in shell.refuses("reproduce", "--seeds", "x", *one[2:])


def test_bad_input_is_refused_in_one_line(shell: Shell, record: Path, tmp_path: Path) -> None:
    assert "no record" in shell.refuses("reproduce", "--record", str(tmp_path / "none.json"))
    assert "no table or experiment 'x'" in shell.refuses("reproduce", "--what", "x", "--record", str(record))
    (record.parent.parent / "README.md").write_text("no marks")
    assert "marks of 'results'" in shell.refuses("reproduce", "--write", "--record", str(record))
    known = json.loads(record.read_text())
    known["tables"]["results"]["experiment"] = "gone"
    record.write_text(json.dumps(known))
    assert "names no experiment 'gone'" in shell.refuses("reproduce", "--record", str(record))


def test_the_published_tables_are_those_of_the_record(shell: Shell) -> None:
    from engine.published.record import read_record
    from engine.published.tables import current

    path = Path(__file__).resolve().parents[2] / "docs" / "results.json"
    record = read_record(path)
    written = [name for name in record.tables if not record.missing(name)]
    assert [name for name in written if not current(record, path.parent, name)] == []
    for experiment in record.experiments.values():
        assert [run.seed for run in experiment.runs] in ([], experiment.seeds)
        assert experiment.command(experiment.seeds[0]).startswith("delrec run --preset")


HOSTILE = "</script><img src=x onerror=alert(1)> & <b>x</b>"


def test_a_report_needs_nothing_but_itself_and_its_runs_are_made_again(
    shell: Shell, smoke: dict[str, Any], tmp_path: Path
) -> None:
    experiments.gather([smoke["run_id"]], HOSTILE, f"is it {HOSTILE}?")
    file = tmp_path / "report.html"
    said = shell("experiment", "report", HOSTILE, str(file))
    assert (said.code, said.out) == (0, f"{file}\n"), said
    text = file.read_text(encoding="utf-8")
    assert "<img" not in text
    assert text.count("</script>") == 1, "that of the record"
    assert not re.search(r"<(link|iframe|object)\b|<\w+[^>]*\s(src|href)=|url\(|@import", text)
    assert re.findall(r"<script[^>]*>", text) == [BEGIN]
    assert str(Path(os.environ["DELREC_HOME"])) not in text, "no folder of this machine"
    assert "p-values" not in text, "one variant is compared with none"
    for words in (
        "40 of",
        "Finished seeds of a variant: 1",
        "Candidates: 10, drawn uniformly",
        "<svg",
    ):
        assert words in text
    (recorded,) = read_report(file).experiments.values()
    run = api.status(smoke["run_id"])
    assert recorded.config(run.seed).model_dump(mode="json") == run.config

    home = os.environ["DELREC_HOME"]
    again = shell("reproduce", str(file), "--work", home)
    assert (again.code, "as recorded" in again.out) == (0, True), again
    assert shell("reproduce", str(file), "--work", home, "--seeds", str(run.seed)).code == 0
    assert f"choose from {run.seed}" in shell.refuses("reproduce", str(file), "--seeds", str(run.seed + 1))
    file.write_text(re.sub(r'"low": -?[\d.]+', '"low": 2.0', text))
    forged = shell("reproduce", str(file), "--work", home)
    assert forged.code == 1
    assert "delrec candidates.NDCG@5 is" in forged.out
    assert "does not go with a report" in shell.refuses("reproduce", str(file), "--write")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("<html></html>", "no report of an experiment"),
        (f"{BEGIN}{{{END}", "record is damaged"),
        (
            f'{BEGIN}{{"experiments": {{"a": {{"preset": "smoke", "overrides": ["x.y=1"]}}}}, "tables": {{}}}}{END}',
            "x.y",
        ),
    ],
)
def test_what_is_no_report_is_refused(shell: Shell, tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "report.html"
    if text is not None:
        file.write_text(text)
    assert said in shell.refuses("reproduce", str(file))


def test_data_of_a_folder_are_recorded_without_it() -> None:
    config = load_config("smoke", overrides=["data.dataset=csv", "data.path=/home/me/secret/my-data"])
    found = embedded.experiment("mine", config, None, [])
    assert (found.files, "/home/me" in found.model_dump_json()) == ("my-data", False)
    assert found.config(3, "/elsewhere").data.path == "/elsewhere/my-data"
    with pytest.raises(StudioError, match="not fetched"):
        found.config(3)
