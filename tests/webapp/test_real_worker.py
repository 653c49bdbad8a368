"""The app with a worker that trains a real (tiny) run, in a real browser and for programs; they share one such app."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect
from webapp_studio import LONG_MS, Studio, open_run, set_value, shows_state

from engine.explain.report import ExplanationReport
from engine.settings import load_config
from engine.stages import stage_names
from jobs import api
from webapp.inspect.question import Question

pytestmark = pytest.mark.browser

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
STAGES = stage_names(load_config("smoke"))


def test_a_run_from_the_form_to_its_results(page: Page, at_studio: Studio) -> None:
    page.goto(at_studio.url)
    page.get_by_label("Smoke").check()
    expect(page.locator("#launch-command")).to_contain_text("delrec run --preset smoke")
    set_value(page, "finetune.steps", "12")
    expect(page.locator("#launch-command")).to_contain_text("--set finetune.steps=12")
    expect(page.locator("#yaml")).to_contain_text("tiny-causal")
    page.locator("#run-name input").fill("My first run")
    page.locator("#launch").click()

    page.wait_for_url(re.compile(r"/run\?id=r-\w+"))
    expect(page.locator("#run-head h1")).to_have_text("My first run")
    expect(page.locator("#stages li")).to_have_count(len(STAGES))
    assert page.locator("#stages li").evaluate_all("rows => rows.map(row => row.dataset.stage)") == STAGES
    shows_state(page, "running")

    page.reload()
    expect(page.locator("#run-head h1")).to_have_text("My first run")
    expect(page.locator("#stages li[data-state=done]").first).to_be_visible(timeout=LONG_MS)

    shows_state(page, "done")
    expect(page.locator("#stages li[data-state=done]")).to_have_count(len(STAGES))
    for stage in ("teacher", "distil", "finetune"):
        best = page.locator(f"#stages li[data-stage={stage}] .dr-since")
        expect(best).to_have_text(
            re.compile(r"best (at (epoch|step) \d+ of \d+|before training, none of \d+ steps kept)")
        )
    rows = page.locator("#results-candidates tbody tr")
    names = rows.evaluate_all("rows => rows.map(row => row.dataset.model)")
    assert names[:7] == ["popularity", "markov", "sasrec", "text", "llm-zero-shot", "llm-distilled", "delrec"]
    expect(rows.last.locator("td").first).to_have_text(re.compile(r"^(\.\d{3}|1\.000)(\.\d{3}|1\.000) to "))
    expect(page.locator("#verdicts li").first).to_contain_text("40 users")
    expect(page.locator("#charts-distil .js-plotly-plot").first).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#charts-finetune .js-plotly-plot").first).to_be_visible()
    expect(page.locator("#log")).to_contain_text("evaluate: done")

    page.get_by_role("tab", name="Files").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="metrics.json").click()
    report = json.loads(download.value.path().read_text())
    assert [model["name"] for model in report["models"]] == names

    page.goto(f"{at_studio.url}/runs?q=first")
    row = page.locator("#runs tbody tr")
    expect(row).to_have_count(1)
    row.get_by_role("link", name="My first run").click()
    page.wait_for_url(re.compile(r"/run\?id="))
    page.locator("#clone").click()
    page.wait_for_url(re.compile(r"\?clone="))
    expect(page.locator("#setting-finetune-steps input")).to_have_value("12")
    expect(page.locator("#launch-summary")).to_contain_text("finetune.steps 12")
    expect(page.locator("#launch-estimate")).to_contain_text("An equal run took")

    page.goto(f"{at_studio.url}/compare?runs={report['run_id']}&metric=NDCG@5")
    expect(page.locator("#compare-figures tbody tr")).to_have_count(1)
    expect(page.locator("#compare-agreement tbody tr")).to_contain_text("SASRec")
    expect(page.locator("#compare-curves .js-plotly-plot").first).to_be_visible()
    expect(page.locator("#compare-model input")).to_have_value("DELRec")


def test_the_documented_example_runs_as_it_stands(at_studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    example, planning, explaining = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert "http://127.0.0.1:7860" in example
    names: dict[str, Any] = {}
    exec(example.replace("http://127.0.0.1:7860", at_studio.url), names)
    assert names["run"]["state"] == "done"
    assert names["seen"] == api.metrics(names["run"]["id"])[-1].id
    assert "delrec" in [model["name"] for model in names["report"]["models"]]
    assert len(names["answer"]["teacher"]["items"]) == len(names["answer"]["llm"]["items"]) == 3
    assert "delrec " in capsys.readouterr().out

    # Every row is explained, in the one form; what was asked is shared with the page.
    exec(explaining, names)
    report = ExplanationReport.read(names["report"])
    assert (report.run.model, report.run.beside) == ("sasrec", "delrec")
    assert report.effects
    assert report.summary
    assert report.summary.sentence in capsys.readouterr().out
    titled = {"titles": ["The Paper Island"], "item": names["picked"], "model": "Popularity", "beside": "delrec-plus"}
    told = names["studio"].predict(run=names["run"]["id"], **titled, parts=["parts", "rather"], api_name="/explain")
    assert (told["run"]["model"], told["run"]["beside"]) == ("popularity", "delrec-plus")
    assert told["target"]["raw_id"] == names["picked"].removeprefix("id:")
    assert "is no sum of parts" in told["inapplicable"]["parts"]
    shared = Question(names["run"]["id"], "4", model="sasrec").request("summary")
    assert shared in [
        {name: value for name, value in asked.request.items() if name != "code"}
        for asked in api.explanations(names["run"]["id"], "explain")
    ]
    for values, message in (
        ({"user": "4", "model": "nonsense"}, "no row 'nonsense'"),
        ({"user": "nobody"}, "no test user 'nobody'"),
        ({"user": "4", "parts": ["nonsense"]}, "no part 'nonsense'"),
        ({}, "whose recommendation?"),
    ):
        with pytest.raises(AppError, match=message):
            names["studio"].predict(run=names["run"]["id"], **values, api_name="/explain")

    exec(planning, names)
    assert capsys.readouterr().out == "8\n"
    names["studio"].predict(experiment="prompts", action="cancel", api_name="/lead_experiment")


@pytest.fixture(scope="module")
def under_way(studio: Studio) -> str:
    """A run that stays in stage 1 for longer than anybody looks at it; the last who looks cancels and deletes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_HOME", str(studio.home))
        return api.launch(load_config("smoke", overrides=["distill.steps=50000"]), "smoke", "Too long")


def test_zoom_and_scroll_stay_while_points_arrive(page: Page, at_studio: Studio, under_way: str) -> None:
    open_run(page, at_studio, under_way)
    chart = page.locator("#charts-distil .js-plotly-plot").first
    expect(chart).to_be_visible(timeout=LONG_MS)
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.75 * box["height"], steps=5)
    page.mouse.up()
    chart.evaluate("chart => { chart.dataset.mark = 'same element' }")
    seen = "chart => [chart.data[0].x.length, JSON.stringify(chart.layout.xaxis.range), window.scrollY]"
    points, zoomed, scrolled = chart.evaluate(seen)
    page.wait_for_function(
        "points => document.querySelector('#charts-distil .js-plotly-plot').data[0].x.length > points + 1",
        arg=points,
        timeout=LONG_MS,
    )
    assert chart.evaluate(seen)[1:] == [zoomed, scrolled]
    assert chart.get_attribute("data-mark") == "same element"


def test_cancel_stops_a_run_and_resume_continues_it(page: Page, at_studio: Studio, under_way: str) -> None:
    open_run(page, at_studio, under_way)
    expect(page.locator("#stages li[data-stage=distil][data-state=running]")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#resume")).to_be_hidden()
    page.locator("#cancel").click()
    shows_state(page, "cancelled")
    expect(page.locator("#cancel")).to_be_hidden()
    expect(page.locator("#run-head")).to_contain_text("checkpoint")
    expect(page.locator("#stages li[data-stage=teacher]")).to_have_attribute("data-state", "done")

    page.locator("#resume").click()
    shows_state(page, "running")
    page.locator("#cancel").click()
    shows_state(page, "cancelled")

    page.locator("#delete").click()
    page.locator("#really-delete").click()
    page.wait_for_url(re.compile(r"/runs"))
    expect(page.locator("#runs")).not_to_contain_text("Too long")
