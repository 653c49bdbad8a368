"""Where figures come from, in a real browser: on a run's page and across runs, those of earlier versions among them."""

from __future__ import annotations

import copy

import pytest
from playwright.sync_api import Page, expect
from smoke_runs import finished_run
from webapp_studio import Studio

from db import results
from db.store import writing
from jobs import api

pytestmark = pytest.mark.browser


def _without_slices(run_id: str) -> None:
    """Make a finished run look as an earlier version left it."""
    report = copy.deepcopy(api.results(run_id))
    del report["slices"]
    for row in report["models"]:
        del row["lists"]
    with writing() as session:
        results.save(run_id, report, session)


def test_a_run_tells_where_its_language_model_helps_and_runs_are_compared_by_slice(
    page: Page, at_quiet_studio: Studio
) -> None:
    new, old = finished_run([], name="New"), finished_run(["distill.prompt=none"], name="Old")
    _without_slices(old)
    report = api.results(new)
    rare = [part for part in report["slices"] if part["by"] == "rarity" and part["users"]]

    page.goto(f"{at_quiet_studio.url}/run?id={new}")
    charts = page.locator("#advantage-charts .js-plotly-plot")
    expect(charts).to_have_count(4)  # DELRec and DELRec-plus, two metrics
    drawn = charts.first.evaluate("chart => chart.data[0].y")
    assert drawn == [part["differences"]["delrec"]["candidates.NDCG@5"]["value"] for part in rare]
    expect(page.locator("#advantage-words")).to_contain_text("DELRec-plus against SASRec, NDCG@10, full catalogue:")
    table = page.locator("#slices-rarity table").first
    assert table.locator("thead th").all_inner_texts()[1:] == [f"{p['name']} ({p['users']} users)" for p in rare]
    assert table.locator("tbody tr").count() == len(report["models"])
    expect(page.locator("#slices-rarity details")).to_have_count(5)
    page.get_by_role("tab", name="By ties").click()
    expect(page.locator("#slices-ties table").first).to_contain_text("untied")
    page.get_by_role("tab", name="What is recommended").click()
    expect(page.locator("#list-measures thead")).to_contain_text("coverage@10")

    page.goto(f"{at_quiet_studio.url}/run?id={old}")
    expect(page.locator("#results-candidates tbody tr").first).to_be_visible()
    expect(page.locator("#slices-rarity")).to_contain_text("earlier version")
    expect(charts).to_have_count(0)

    page.goto(f"{at_quiet_studio.url}/compare?runs={new},{old}&metric=NDCG@5&by=history")
    rows = page.locator("#compare-slices tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("users")
    expect(rows.last.locator("td").first).to_have_text("–")
    expect(page.locator("#compare-slice-charts .js-plotly-plot")).to_have_count(1)
    page.locator("#compare-by input").click()
    page.get_by_role("option", name="Training interactions of the target").click()
    page.wait_for_url("**by=rarity**")
    expect(page.locator("#compare-slices thead")).to_contain_text("100+")
    page.goto(f"{at_quiet_studio.url}/compare?runs={new}&metric=HR@10&by=nonsense")
    expect(page.locator("#compare-slices")).to_contain_text("on the full catalogue")
    page.goto(f"{at_quiet_studio.url}/compare?runs={old}")
    expect(page.locator("#compare-slices")).to_contain_text("None of these runs")
