"""``delrec export`` and ``delrec import``: a run means the same in another data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_shell import Shell, listed

from engine.evaluate import read_predictions
from engine.models import Models
from engine.monitor import Monitor
from engine.run_folder import RunFolder
from jobs import api, records


def _seen(run_id: str) -> dict[str, Any]:
    folder = RunFolder.open(api.status(run_id).folder)
    return {
        "metrics.json": folder.metrics.read_bytes(),
        "results": api.results(run_id),
        "table": records.table([run_id]),
        "stages": api.stages(run_id),
        "points": [(point.stage, point.name, point.step, point.value) for point in api.metrics(run_id)],
        "curves": records.curves([run_id]),
        "folder's curves": folder.curves(),
    }


def _scores(run_id: str) -> np.ndarray:
    """float ``[3 users, m]``: what the run's fine-tuned model answers now."""
    folder = RunFolder.open(api.status(run_id).folder)
    table = read_predictions(folder.predictions).table[:3]
    ranker = Models.load(folder, Monitor()).ranker("delrec")
    return ranker.scores(list(table["history"]), np.stack(table["candidates"]))


def test_an_exported_run_shows_and_scores_elsewhere_what_it_did_here(
    shell: Shell,
    smoke: dict[str, Any],
    delrec_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_id = smoke["run_id"]
    file = tmp_path / "first.zip"
    said = shell("export", "first", "--to", str(file))
    assert (said.code, said.out.strip()) == (0, str(file)), said.err
    before, scores = _seen(run_id), _scores(run_id)
    assert before["points"]
    assert before["table"]

    monkeypatch.setenv("DELREC_HOME", str(delrec_home))
    assert listed(shell) == []
    said = shell("import", str(file))
    assert (said.code, said.out.strip()) == (0, run_id), said.err
    assert _seen(run_id) == before
    np.testing.assert_allclose(_scores(run_id), scores, atol=1e-4)
    answer = shell("recommend", "--run", "first", "--titles", "Zzyzx; Quux")
    assert "none of these titles is known" in answer.err

    again = shell("import", str(file), "--name", "again")
    (newest, oldest) = sorted(listed(shell), key=lambda run: run["id"] == run_id)
    assert (newest["id"], newest["name"], newest["origin"]) == (again.out.strip(), "again", "import")
    assert (oldest["id"], oldest["name"]) == (run_id, "first")


def test_bad_archives_and_runs_are_refused_in_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    assert "damaged or no zip file" in shell.refuses("import", str(tmp_path / "text.zip"))
    assert "cannot unpack it: No such file" in shell.refuses("import", str(tmp_path / "missing.zip"))
    queued = shell("launch", "--preset", "smoke").out.strip()
    assert "cannot be exported, it is queued" in shell.refuses("export", queued, "--to", str(tmp_path / "run.zip"))
    assert "has no folder to stand in" in shell.refuses("export", queued, "--to", str(tmp_path / "no" / "run.zip"))
    assert "there is no run 'nothing'" in shell.refuses("export", "nothing")
