"""The page about the distilled pattern: asked by a button, answered by the worker, reproduced by its address."""

from __future__ import annotations

from types import SimpleNamespace

import gradio as gr
import pytest
from playwright.sync_api import Page, expect
from smoke_runs import finished_run
from webapp_studio import Studio, pages

from engine.settings import load_config
from jobs import api
from webapp import measurement_state
from webapp.pages import measurement_controls

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.pwned=1"> ${window.pwned=2}'
PATIENCE = 300.0
SMALL = ("plus.enabled=false", "data.history=3", "data.candidates=4", "distill.teacher_top=2", "distill.steps=3")
"""Hundreds of prompts are asked of it: short ones."""


def test_the_question_is_answered_with_intervals_and_the_address_keeps_the_answer(
    page: Page, at_studio: Studio
) -> None:
    run_id = finished_run(SMALL, name="Distilled")
    other = finished_run([*SMALL, "teacher.name=gru4rec"], name=HOSTILE)
    page.goto(f"{at_studio.url}/run?id={run_id}")
    page.get_by_role("link", name="The distilled pattern").click()
    expect(page.locator("#pattern-progress")).to_contain_text("Not measured yet")
    page.locator("#measure-pattern").click()
    expect(page.locator("#pattern-agreement tr[data-state='distilled prompt']")).to_be_visible(timeout=PATIENCE * 1000)
    expect(page.locator("#pattern-verdict")).to_contain_text(
        "The distilled prompt agrees with SASRec on the first choice"
    )
    expect(page.locator(f"#pattern-agreement tr[data-state='prompt of {other}']")).to_contain_text("<img src=x")
    expect(page.locator("#pattern-charts .js-plotly-plot")).to_have_count(3)
    expect(page.locator("#pattern-profile .js-plotly-plot")).to_have_count(3)
    expect(page.locator("#pattern-tokens")).to_contain_text("no reading of it")
    api.ask("faithfulness", run_id, {"users": 3})
    page.reload()
    expect(page.locator("#pattern-agreement tbody tr")).to_have_count(7)
    expect(page.locator("#trust tr[data-order=random]")).to_be_visible(timeout=PATIENCE * 1000)
    expect(page.locator("#trust")).to_contain_text("Mean over 3 test users")
    expect(page.locator("#trust tr[data-order=loo] td")).to_have_count(4)
    expect(page.locator("#trust-charts .js-plotly-plot")).to_have_count(1)
    expect(page.locator("#tests-progress")).to_contain_text("Not taken yet")
    api.ask("falsify", run_id, {"users": 12})
    page.reload()
    expect(page.locator("#tests li[data-test]")).to_have_count(6, timeout=PATIENCE * 1000)
    expect(page.locator("#tests")).to_contain_text("12 of 120 test users")
    expect(page.locator("#measure-tests")).to_be_hidden()
    first = page.locator("#tests li[data-test='1']")
    expect(first.locator(".dr-test-head .dr-badge")).to_have_text(
        (first.get_attribute("data-verdict") or "").capitalize()
    )
    first.locator("summary").click()
    expect(first.locator("th", has_text="prompt of random lists").first).to_be_visible()
    # Each row has trust figures of its own; the pattern is the run's.
    page.locator("#trust-rows").get_by_role("link", name="LLM distilled").click()
    expect(page.locator("#trust-progress")).to_contain_text("Not measured yet")
    expect(page.locator("#trust-rows [aria-current=true]")).to_have_text("LLM distilled")
    expect(page.locator("#pattern-agreement tbody tr")).to_have_count(7)
    page.goto(f"{at_studio.url}/pattern?run={run_id}&demo=1")
    expect(page.locator("#pattern-agreement tbody tr")).to_have_count(7)
    expect(page.locator("#measure-pattern")).to_be_hidden()
    expect(page.locator("#tests li[data-test]")).to_have_count(6)
    assert page.evaluate("window.pwned") is None


def test_a_measurement_can_be_stopped_and_asked_for_again(page: Page, at_quiet_studio: Studio) -> None:
    run_id = finished_run(SMALL, name="Stopped")
    for name in ("pattern", "tests", "trust"):
        page.goto(f"{at_quiet_studio.url}/pattern?run={run_id}")
        expect(page.locator(f"#stop-{name}")).to_be_hidden()
        page.locator(f"#measure-{name}").click()
        expect(page.locator(f"#{name}-progress")).to_contain_text("Waits for the worker")
        expect(page.locator(f"#measure-{name}")).to_be_hidden()
        page.locator(f"#stop-{name}").click()
        expect(page.locator(f"#{name}-progress")).to_contain_text("Stopped. Ask again to go on.")
        expect(page.locator(f"#measure-{name}")).to_be_visible()
    page.goto(f"{at_quiet_studio.url}/pattern?run={run_id}&demo=1")
    expect(page.locator("#tests-progress")).to_contain_text("Stopped")
    expect(page.locator("#measure-tests")).to_be_hidden()


def test_what_has_no_pattern_says_why(page: Page, at_quiet_studio: Studio) -> None:
    run_id = api.launch(load_config("smoke"), "smoke")
    for query, said in (
        ("", "names no run"),
        ("?run=r-zzzzzz", "no run 'r-zzzzzz'"),
        (f"?run={run_id}", "can be measured once it is done"),
    ):
        page.goto(f"{at_quiet_studio.url}/pattern{query}")
        expect(page.locator("#pattern-problem")).to_contain_text(said)
    api.delete(run_id)


def test_what_was_wrong_with_a_question_stays_while_the_page_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = pages().fns.values()
    (look,) = (f for f in functions if f.page == "pattern" and any(event == "tick" for _, event in f.targets))
    problem = next(n for n, block in enumerate(look.outputs) if block.elem_id == "pattern-problem")
    unchanged = [gr.skip()] * (len(look.outputs) - 3)
    monkeypatch.setattr(measurement_state, "load", lambda *_, **__: None)
    monkeypatch.setattr(measurement_controls, "refresh", lambda *_: ({"drawn": True}, unchanged))
    request = gr.Request(SimpleNamespace(query_params={}, headers={}, session={}))  # type: ignore[arg-type]
    assert look.fn({}, request)[problem] == "", "a page that is opened has nothing wrong"
    assert look.fn({"drawn": True}, request)[problem] == gr.skip()
