"""Tables and sentences."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from engine.evaluate.render import print_report, result_table, short, signed, verdict, verdicts, warnings
from engine.evaluate.report import Comparison, Estimate, ModelResult, ProtocolDetails, Report, StageTime, TeacherCheck
from engine.metrics.ranks import METRICS, TIE_RULE


def _model(name: str, kind: str, value: float) -> ModelResult:
    metrics = {metric: Estimate(value=value, low=value - 0.04, high=value + 0.04) for metric in METRICS}
    tau = {name: Estimate(value=value - 0.5, low=-1.0, high=1.0) for name in ("top-1", "overlap@5", "kendall-tau")}
    return ModelResult(name=name, kind=kind, candidates=metrics, full=metrics, agreement=tau)  # type: ignore[arg-type]


def _comparison(difference: float, low: float, high: float, b: str = "sasrec") -> Comparison:
    return Comparison(a="delrec", b=b, metric="candidates.HR@1", difference=difference, low=low, high=high)


@pytest.fixture
def report() -> Report:
    details = ProtocolDetails(
        teacher="sasrec",
        split="leave-one-out",
        candidates=20,
        negatives="uniform",
        history=10,
        teacher_history=50,
        items=1682,
        full_top=20,
        ties=TIE_RULE,
        users_available=943,
        interval="95 %",
        bootstrap=2000,
    )
    return Report(
        run_id="r",
        dataset="ml-100k",
        protocol="words",
        users=300,
        seed=0,
        models=[
            _model("markov", "baseline", 0.402),
            _model("sasrec", "teacher", 0.402),
            _model("llm-zero-shot", "llm", 0.05),
            _model("delrec", "llm", 0.312),
        ],
        comparisons=[_comparison(-0.09, -0.13, -0.051), _comparison(0.262, 0.2, 0.3, "llm-zero-shot")],
        stages=[StageTime(name="teacher", seconds=1.0)],
        peak_memory_mb=1.0,
        protocol_details=details,
    )


def test_a_loss_is_called_a_loss(report: Report) -> None:
    assert verdict(report, report.comparisons[0]) == (
        "DELRec loses to its teacher SASRec: HR@1 (20 candidates) .312 against .402, "
        "difference -.090 [-.130, -.051], 300 users"
    )


def test_a_win_is_called_a_win(report: Report) -> None:
    assert verdict(report, report.comparisons[1]).startswith("DELRec beats LLM zero-shot: HR@1 (20 candidates) .312")


@pytest.mark.parametrize(("low", "high"), [(-0.01, 0.02), (0.0, 0.03), (-0.03, 0.0)])
def test_an_interval_that_holds_zero_decides_nothing(report: Report, low: float, high: float) -> None:
    text = verdict(report, _comparison((low + high) / 2, low, high))
    assert text.startswith("No significant difference between DELRec and its teacher SASRec")


def _with_teachers(report: Report, **ndcg: float) -> Report:
    checks = [TeacherCheck(name=name, ndcg=value, popularity=0.046) for name, value in ndcg.items()]
    return report.model_copy(update={"teachers": checks})


@pytest.mark.parametrize("low", [-0.01, 0.02])
@pytest.mark.parametrize("ndcg", [0.012, 0.046])
def test_a_teacher_no_better_than_popularity_takes_the_worth_from_a_win(
    report: Report, ndcg: float, low: float
) -> None:
    weak = _with_teachers(report, sasrec=ndcg, caser=0.2)
    text = verdict(weak, _comparison(0.05, low, 0.1))
    claim = "DELRec beats" if low > 0 else "No significant difference between DELRec and"
    assert text.startswith(f"{claim} its teacher SASRec, which is no better than popularity: HR@1")
    assert warnings(weak) == [
        f"SASRec is no better than popularity on the users that validated it: NDCG@10 {short(ndcg)} against .046. "
        "To learn from it, or to beat it, says nothing; train it longer, or with another teacher.lr."
    ]


def test_a_better_teacher_and_an_unchecked_one_are_not_doubted(report: Report) -> None:
    for known in (_with_teachers(report, sasrec=0.047), report):
        assert "popularity" not in verdict(known, _comparison(0.05, 0.01, 0.1))
        assert warnings(known) == []


def test_an_ensemble_with_such_a_teacher_is_doubted_too(report: Report) -> None:
    rows = [*report.models, _model("ensemble", "teacher", 0.3)]
    weak = _with_teachers(report, sasrec=0.2, caser=0.01).model_copy(update={"models": rows})
    text = verdict(weak, _comparison(0.05, 0.01, 0.1, "ensemble"))
    assert "Teacher ensemble, in which Caser is no better than popularity: HR@1" in text


def test_verdicts_speak_about_delrec(report: Report) -> None:
    assert [line.split(":")[0] for line in verdicts(report)] == [
        "DELRec loses to its teacher SASRec",
        "DELRec beats LLM zero-shot",
    ]


def test_without_delrec_the_last_llm_row_is_spoken_about(report: Report) -> None:
    comparison = _comparison(-0.352, -0.4, -0.3).model_copy(update={"a": "llm-zero-shot"})
    rest = report.model_copy(update={"models": report.models[:3], "comparisons": [comparison]})
    assert verdicts(rest)[0].startswith("LLM zero-shot loses to the teacher SASRec")
    assert verdicts(report.model_copy(update={"models": report.models[:2], "comparisons": []})) == []


def test_the_best_of_each_column_is_marked_ties_included(report: Report) -> None:
    table = result_table(report, "candidates")
    assert table.title == "20 candidates, 300 users"
    assert table.columns == ("HR@1", "HR@5", "HR@10", "NDCG@5", "NDCG@10")
    assert [(row.label, row.cells[0].best) for row in table.rows] == [
        ("Markov", True),
        ("SASRec", True),
        ("LLM zero-shot", False),
        ("DELRec", False),
    ]
    assert table.rows[0].cells[0].text == "0.402 [.36, .44]"
    assert table.rows[2].cells[0].text == "0.050 [.010, .090]"  # two digits would hide what small figures say


def test_agreement_leaves_the_teacher_out(report: Report) -> None:
    table = result_table(report, "agreement")
    assert [row.name for row in table.rows] == ["markov", "llm-zero-shot", "delrec"]
    assert table.rows[1].cells[0].text == "-0.450 [-1.00, 1.00]"


def test_the_terminal_table_fits_80_columns_and_holds_every_figure(report: Report) -> None:
    out = io.StringIO()
    print_report(report, Console(file=out, width=80, force_terminal=False))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for piece in (
        "0.402",
        "[.36,.44]",
        "[.010,.090]",
        "NDCG@10",
        "DELRec loses to its teacher SASRec",
        "Full catalogue of 1682 items",
    ):
        assert piece in " ".join(text.split())


def test_numbers_are_written_as_in_papers() -> None:
    assert [short(0.4021), short(1.0), short(-0.09), short(0.0)] == [".402", "1.000", "-.090", ".000"]
    assert [signed(0.016), signed(-0.0001), signed(-0.051)] == ["+.016", ".000", "-.051"]
