"""Pieces of a run's page: verdicts, and how long ago a stage's validation was best."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from db.metrics import Best
from db.stages import Stage
from engine.evaluate.report import Comparison, Estimate, ModelResult, ProtocolDetails, Report, TeacherCheck
from engine.settings import load_config
from webapp.views.results import verdicts
from webapp.views.run import _sources, best_words, stage_list


@pytest.mark.parametrize(
    ("state", "unit", "step", "best", "words"),
    [
        ("running", "step", 65, Best(40, 0.3, 60), "best at step 40, 25 steps ago"),
        ("running", "epoch", 13, Best(12, 0.3, 13), "best at epoch 12, 1 epoch ago"),
        ("running", "step", 60, Best(60, 0.3, 60), "best at step 60, just now"),
        ("running", "step", 65, Best(0, 0.3, 60), "best before training, 65 steps ago"),
        ("stopped", "step", 1065, Best(1000, 0.3, 1060), "best at step 1,000, 65 steps ago"),
        ("done", "epoch", 30, Best(12, 0.3, 17), "best at epoch 12 of 17"),
        ("done", "step", 60, Best(0, 0.3, 60), "best before training, none of 60 steps kept"),
    ],
)
def test_the_best_validation_is_told_with_its_age(state: str, unit: str, step: int, best: Best, words: str) -> None:
    assert best_words(Stage("teacher", state, 1.0, step, 100, unit), best) == words


def test_a_stage_says_whose_result_it_is() -> None:
    alone = Stage("teacher", "done", 1.0, 0, 0, "epoch", {"": "r-abc234"})
    parts = Stage("evaluate", "done", 1.0, 0, 0, "user", {"sasrec": "r-abc234", "llm-zero-shot": "r-abc234"})
    assert 'as in <a href="./run?id=r-abc234">r-abc234</a>' in str(_sources(alone))
    assert "SASRec, LLM zero-shot: as in <a" in str(_sources(parts))
    assert _sources(Stage("teacher", "done", 1.0, 0, 0, "epoch")) is None


def test_who_is_not_above_the_ensemble_of_teachers_is_told_so_at_once() -> None:
    figure = {"HR@1": Estimate(value=0.5, low=0.4, high=0.6)}
    kinds = {"sasrec": "teacher", "ensemble": "teacher", "delrec": "llm", "delrec-plus": "llm"}
    rows = [ModelResult.model_construct(name=name, kind=kind, candidates=figure) for name, kind in kinds.items()]
    pairs = [
        Comparison(a="delrec-plus", b=b, metric="candidates.HR@1", difference=0.1, low=low, high=0.2)
        for b, low in (("sasrec", 0.05), ("delrec", 0.05), ("ensemble", -0.05))
    ]
    details = ProtocolDetails.model_construct(teacher="sasrec", candidates=20)
    check = TeacherCheck(name="sasrec", ndcg=0.01, popularity=0.05)
    report = Report.model_construct(models=rows, comparisons=pairs, protocol_details=details, users=9, teachers=[check])
    told, on_demand = str(verdicts(report)).split("Against the other rows")
    assert "DELRec-plus beats its teacher SASRec, which is no better than popularity" in told
    assert "SASRec is no better than popularity on the users that validated it: NDCG@10 .010 against .050" in told
    assert "No significant difference between DELRec-plus and Teacher ensemble" in told
    assert "DELRec-plus beats DELRec" in on_demand


@pytest.mark.parametrize(
    ("state", "popularity", "said"),
    [
        ("done", 0.05, True),
        ("done", 0.012, True),
        ("done", 0.011, False),
        ("running", 0.05, False),
        ("done", None, False),
    ],
)
def test_a_teacher_no_better_than_popularity_is_told_beside_its_stage(
    state: str, popularity: float | None, said: bool
) -> None:
    run = SimpleNamespace(
        config=load_config("smoke").model_dump(), state="running", active=True, stage="teacher", stage_eta_seconds=None
    )
    begun = [Stage("teacher", state, 1.0, 4, 4, "epoch")]
    known = {} if popularity is None else {"teacher": popularity}
    shown = str(stage_list(run, begun, {"teacher": Best(2, 0.012, 4)}, known))  # type: ignore[arg-type]
    assert ("no better than popularity on the validation users: NDCG@10 0.012 against" in shown) == said
