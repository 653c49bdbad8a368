"""How much of a title's likelihood without the history is taken off: fitted once, kept with the run, or said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from explain.tiny_run import tiny_models
from pipeline_world import StopAt, quick
from stage_world import FAMILIES

from engine import calibration
from engine.calibration import calibrate, fit_prior
from engine.errors import Cancelled, StudioError
from engine.evaluate import Report
from engine.llm.verbalizers import TitleLikelihood
from engine.models import Models, read_priors
from engine.monitor import Monitor
from engine.pipeline import run_pipeline
from engine.run_folder import RunFolder


class Told(Monitor):
    def __init__(self) -> None:
        self.told: list[str] = []

    def message(self, text: str) -> None:
        self.told.append(text)


@pytest.mark.parametrize("true", [0.0, 0.4, 1.0])
def test_the_share_that_made_the_choices_is_found_again(true: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users choose what is likeliest to them less ``true`` times what is likely anyway."""
    models = tiny_models("finetune.validation_users=16", form="sequence")
    random = np.random.default_rng(1)
    priors = random.normal(0, 3, models.split.n_items).astype(np.float32)
    liking = random.normal(0, 1, (16, models.split.n_items)).astype(np.float32)
    examples = models.split.validation
    rows = {tuple(map(int, history)): row for row, history in enumerate(examples.histories)}
    candidates = np.tile(np.arange(models.split.n_items), (16, 1))
    targets = liking.argmax(axis=1)
    monkeypatch.setattr(calibration, "candidate_sets", lambda *_: candidates)
    monkeypatch.setattr(type(examples), "take", lambda self, places: type(self)(self.users, self.histories, targets))

    class Reader:
        def scores(self, histories: list[np.ndarray], listed: np.ndarray) -> np.ndarray:
            asked = [rows[tuple(map(int, history))] for history in histories]
            return np.take_along_axis(liking[asked] + true * priors, listed, axis=1)

    verbalizer = TitleLikelihood(models.backbone, models.prompts().titles, models.split.n_items)
    monkeypatch.setattr(verbalizer, "priors", lambda items: calibration.torch.from_numpy(priors)[items])
    monkeypatch.setattr(models, "ranker", lambda _: Reader())
    found = type("Reader", (), {"scorer": type("Scorer", (), {"verbalizer": verbalizer})})
    monkeypatch.setattr(calibration, "llm_of", lambda _: found)
    assert fit_prior(models, "llm-zero-shot", Monitor()) == pytest.approx(true, abs=0.11)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_fitted_is_kept_and_ranks(tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models, monitor = tiny_models(form="sequence", family=family), Told()
    file = tmp_path / "calibration.json"
    monkeypatch.setattr(calibration, "GRID", np.array([0.7]))
    calibrate(models, RunFolder(tmp_path), monitor)
    assert json.loads(file.read_text()) == models.priors == {"llm-zero-shot": 0.7}
    assert "llm-zero-shot: a title's likelihood counts less 0.7 times" in monitor.told[0]
    history, candidates = [np.array([1, 2])], np.array([[3, 4, 5]])
    fitted = models.ranker("llm-zero-shot").scores(history, candidates)
    again = tiny_models(form="sequence", family=family)
    calibrate(again, RunFolder(tmp_path), Monitor())
    np.testing.assert_allclose(again.ranker("llm-zero-shot").scores(history, candidates), fitted, atol=1e-5)
    plain = tiny_models("llm.prior=0", form="sequence", family=family)
    assert not np.allclose(plain.ranker("llm-zero-shot").scores(history, candidates), fitted, atol=1e-3)


def test_a_share_that_is_said_is_not_fitted(tmp_path: Path) -> None:
    models = tiny_models("llm.prior=1.5", form="sequence")
    calibrate(models, RunFolder(tmp_path), Monitor())
    assert models.prior("llm-zero-shot") == 1.5
    assert not (tmp_path / "calibration.json").exists()


@pytest.mark.parametrize(
    ("overrides", "form", "rows"),
    [
        ((), "candidates", []),
        ((), "sequence", ["llm-zero-shot"]),
        (("eval.llm_rows=[llm-distilled]",), "sequence", []),
        (("llm.verbalizer=title-likelihood",), "candidates", ["llm-zero-shot", "llm-distilled"]),
    ],
)
def test_only_rows_that_rank_by_likelihoods_are_fitted(
    tmp_path: Path, overrides: tuple[str, ...], form: str, rows: list[str]
) -> None:
    models = tiny_models("finetune.validation_users=4", *overrides, form=form)
    calibrate(models, RunFolder(tmp_path), Monitor())
    assert list(models.priors) == rows


@pytest.mark.parametrize("text", ["", "[]", '{"llm-zero-shot": "much"}', "{"])
def test_a_damaged_calibration_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(text)
    with pytest.raises(StudioError, match=r"the calibration is damaged.*delete it and resume the run") as told:
        read_priors(file)
    assert "\n" not in str(told.value)


def test_a_resumed_run_keeps_what_was_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = quick(
        "distill.prompt=none", "finetune.enabled=false", "plus.enabled=false", "eval.llm_rows=[llm-zero-shot]"
    )
    with pytest.raises(Cancelled):
        run_pipeline(config, tmp_path / "run", StopAt("evaluate", 1))
    folder = RunFolder.open(tmp_path / "run")
    kept = read_priors(folder.calibration)
    folder.files.write("evaluate", folder.calibration, json.dumps({"llm-zero-shot": 0.25}))
    monkeypatch.setattr(calibration, "fit_prior", lambda *_: pytest.fail("fitted again"))
    report = Report.model_validate(run_pipeline(config, tmp_path / "run", Monitor()))
    assert set(kept) == {"llm-zero-shot"}
    assert report.protocol_details.priors == {"llm-zero-shot": 0.25}
    assert Models.load(folder, Monitor()).prior("llm-zero-shot") == 0.25
