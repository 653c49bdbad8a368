"""Inspecting recommendations of a real (tiny) run in a real browser; its titles are code."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from inspect_pages import (
    HOSTILE,
    assert_harmless,
    wait_until_measured,
    whole,
    word,
)
from playwright.sync_api import Page, expect
from webapp_studio import Studio
from writer_server import Server

from engine.settings import load_config
from jobs import api

pytestmark = pytest.mark.browser

PATIENCE = 300.0


def test_a_recommendation_is_explained_and_taken_along(
    page: Page, at_studio: Studio, hostile_run: str, tmp_path: Path
) -> None:
    page.goto(f"{at_studio.url}/inspect?demo=1&model=delrec")
    expect(page.locator("#inspect-sides .dr-line")).to_have_count(10)
    page.wait_for_url(re.compile(f"run={hostile_run}"))
    assert "demo=1" in page.url

    page.get_by_role("button", name="Only DELRec").or_(page.get_by_role("button", name="Neither right")).last.click()
    page.wait_for_url(re.compile(r"by=(none|only-model)"))
    user = page.locator("#inspect-user").input_value()
    page.locator(".dr-fold > summary").click()
    expect(page.locator(".dr-expert").filter(has_text="Integrated gradients")).to_be_visible()
    page.wait_for_url(re.compile("view=expert"))
    wait_until_measured(page)
    expect(page.locator("#inspect-editor textarea")).to_contain_text("A recommender puts")
    expect(page.locator(".dr-title-card")).to_have_count(3)
    expect(page.locator(".dr-title-card .dr-effect")).to_have_count(6)
    expect(page.locator("#inspect-smallest")).to_contain_text("smallest change")
    expect(page.locator("#inspect-confidence")).to_contain_text("Training interactions")
    expect(page.locator("#inspect-words article").first).to_be_visible()
    rivals = page.locator("#inspect-rather select")
    assert rivals.locator("option").count() == 4
    other = rivals.locator("option").last.inner_text().partition(" ")[2]
    rivals.select_option(index=3)
    expect(page.locator("#inspect-rather h2")).to_contain_text(f"rather than {other[:12]}")
    assert whole(page.locator("#inspect-rather h2")).endswith(f"rather than {other}?")
    expect(page.locator("#inspect-rather")).to_contain_text("from that lead:")
    page.wait_for_url(re.compile("rival="))

    with page.expect_download() as download:
        page.locator("#share-json").click()
    told = json.loads(download.value.path().read_text())
    assert (told["question"]["user"], told["run_id"]) == (user, hostile_run)
    assert whole(page.locator(".dr-sentence")) == told["summary"]["sentence"]
    shown = (
        page.locator("#inspect-sides .dr-rank")
        .last.locator(".dr-line")
        .evaluate_all("rows => rows.map(row => Number(row.dataset.item))")
    )
    places = zip(told["ladder"][-1]["places"], (item["item"] for item in told["candidates"]), strict=True)
    assert shown == [item for _, item in sorted(places)]
    with page.expect_download() as download:
        page.locator("#share-html").click()
    report = tmp_path / "report.html"
    download.value.save_as(report)
    address = page.url
    page.goto(f"file://{report}")
    expect(page.locator("p.dr-sentence")).to_be_visible()
    assert whole(page.locator("p.dr-sentence")) == told["summary"]["sentence"]
    assert page.locator("script, link, img, button, form, a").count() == 0
    assert_harmless(page)
    page.goto(address)
    expect(page.locator("p.dr-sentence")).to_be_visible()
    assert whole(page.locator("p.dr-sentence")) == told["summary"]["sentence"]
    assert_harmless(page)


def test_the_evidence_leaves_the_machine_by_a_press_and_by_nothing_else(
    page: Page, at_studio: Studio, hostile_run: str, writer: Server
) -> None:
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&user=2&words=elsewhere")
    words = page.locator("#inspect-words")
    expect(words.locator('article[data-weights="base"]').first).to_be_visible(timeout=PATIENCE * 1000)
    expect(words).to_contain_text("titles and measurements from this machine to llama at 127")
    assert not writer.asked, "an address asks nobody elsewhere"
    words.get_by_role("button", name="Let llama write").click()
    expect(words).to_contain_text("wrote did not hold", timeout=PATIENCE * 1000)
    assert len(writer.asked) == 1
    assert "words=elsewhere" in page.url
    page.reload()
    expect(words).to_contain_text("wrote did not hold", timeout=PATIENCE * 1000)
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&user=2&words=elsewhere&attempt=2&demo=1")
    expect(words.locator('article[data-weights="base"]').first).to_be_visible(timeout=PATIENCE * 1000)
    words.get_by_role("button", name="Let llama write").click()
    expect(page.locator("#inspect-problem")).to_contain_text("read-only")
    assert len(writer.asked) == 1


@pytest.mark.parametrize("moment", ["held", "clicked"])
def test_a_press_on_the_fold_counts_though_an_answer_draws_it_anew(
    page: Page, at_studio: Studio, hostile_run: str, moment: str
) -> None:
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&model=delrec&candidates=all")
    fold = page.locator(".dr-fold > summary")
    wait_until_measured(page)
    page.evaluate("document.addEventListener('delrec-ask', event => (window.asked ||= []).push(event.detail))")
    draw = "const part = fold.closest('.dr-fold').parentElement; const closed = part.innerHTML;"
    if moment == "held":
        fold.hover()
        page.mouse.down()
        fold.evaluate(f"fold => {{ {draw} part.innerHTML = closed; }}")
        page.mouse.up()
    else:
        fold.evaluate(f"fold => {{ {draw} fold.click(); part.innerHTML = closed; }}")
    expect(page.locator(".dr-expert h3", has_text="Gradients")).to_be_visible()
    page.wait_for_url(re.compile("view=expert"))
    assert page.evaluate("window.asked") == [{"expert": True}]
    fold.click()
    page.wait_for_url(lambda address: "view=" not in address)
    expect(page.locator(".dr-expert h3", has_text="Gradients")).to_have_count(0)


def test_titles_of_one_s_own_get_reasons_unless_none_is_known(page: Page, at_studio: Studio, hostile_run: str) -> None:
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&titles=")
    expect(page.locator("#inspect-sides")).to_contain_text("No titles yet")
    nothing = "1. שלום עולם\n2. 🎬🎬\n3. <script>window.pwned=4</script>"
    page.locator("#inspect-paste").fill(nothing)
    page.get_by_role("button", name="Use these titles").click()
    expect(page.locator(".dr-mark-unknown")).to_have_count(3)
    expect(page.locator("#inspect-history")).to_contain_text("no reasons can be measured")
    expect(page.locator("#inspect-sides .dr-lists section")).to_have_count(2)
    page.locator("#inspect-add").fill(f"{word(3)} {HOSTILE}")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator(".dr-title-card")).to_have_count(4)
    expect(page.locator(".dr-sentence")).to_be_visible()
    expect(page.locator("#inspect-sides .dr-line")).to_have_count(12)
    expect(page.locator("#inspect-words")).to_contain_text("Let the model write")
    page.locator("#inspect-paste").fill("x\n" * 501)
    page.get_by_role("button", name="Use these titles").click()
    expect(page.locator("#inspect-problem")).to_contain_text("501 titles")
    assert_harmless(page)


def test_what_cannot_be_inspected_says_why(page: Page, at_studio: Studio, hostile_run: str) -> None:
    page.goto(f"{at_studio.url}/inspect?run=r-zzzzzz&user=1")
    expect(page.locator("#inspect-problem")).to_contain_text("no run 'r-zzzzzz'")
    expect(page.locator("#inspect-page")).to_be_hidden()
    page.goto(f"{at_studio.url}/inspect?run={hostile_run}&user=nobody<b>")
    expect(page.locator("#inspect-said")).to_contain_text("no test user 'nobody<b>'")
    expect(page.locator("#inspect-sides")).to_contain_text("No ranking")
    page.goto(f"{at_studio.url}/tour?run=../../etc")
    expect(page.locator("#tour-problem")).to_contain_text("no run")
    for path in ("inspect.json?run=r-zzzzzz", f"inspect.html?run={hostile_run}&user=none", "inspect.html"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{at_studio.url}/studio/{path}")
    with urllib.request.urlopen(f"{at_studio.url}/-/titles?run=r-zzzzzz&q=a") as answer:
        assert json.load(answer) == []


def test_without_a_finished_run_the_next_step_is_said(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(f"{at_quiet_studio.url}/inspect")
    expect(page.locator("#inspect-problem")).to_contain_text("no finished run yet")
    expect(page.get_by_role("link", name="Launch a run")).to_be_visible()
    waiting = api.launch(load_config("smoke"), "smoke")
    page.goto(f"{at_quiet_studio.url}/inspect?run={waiting}")
    expect(page.locator("#inspect-problem")).to_contain_text("has no results yet")
    api.delete(waiting)


def test_the_tour_leads_through_three_users(page: Page, at_studio: Studio, hostile_run: str) -> None:
    page.goto(f"{at_studio.url}/tour?run={hostile_run}")
    expect(page.locator("#tour-body")).to_contain_text("How often each is right")
    for step in (2, 3, 4):
        page.locator(".dr-next").click()
        page.wait_for_url(re.compile(f"step={step}"))
        told = page.locator("#tour-body .dr-ranks").or_(page.get_by_text("no user for this step"))
        expect(told.first).to_be_visible(timeout=1000 * PATIENCE)
    page.locator(".dr-next").click()
    expect(page.locator("#tour-body")).to_contain_text("What to take from it")
    page.go_back()
    expect(page.locator(".dr-steps [aria-current]")).to_have_text("4. Where it is wrong")
    assert_harmless(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile("step=5"))
    expect(page.locator(".dr-steps [aria-current]")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("step=4"))
    page.emulate_media(media="print")
    for hidden in ("#tour-walk", ".dr-bar", "#tour-head nav"):
        expect(page.locator(hidden)).to_be_hidden()
    page.evaluate("document.body.classList.add('dark')")
    expect(page.locator("#tour-head h1")).to_have_css(
        "color", "rgb(23, 33, 45)"
    )  # dark ink on paper, in dark pages too
    page.emulate_media(media="screen")


def test_the_tour_is_taken_along_as_one_file_that_needs_nothing_else(
    page: Page, at_studio: Studio, hostile_run: str, tmp_path: Path
) -> None:
    page.goto(f"{at_studio.url}/tour?run={hostile_run}")
    expect(page.locator("#tour-walk")).to_contain_text("For reading without this app")
    expect(page.locator("#tour-walk")).not_to_contain_text("still measured", timeout=1000 * PATIENCE)
    with page.expect_download() as download:
        page.locator("#tour-file").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    asked: list[str] = []
    page.goto("about:blank")  # the studio's page asks for news until it is left
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(file.as_uri())
    expect(page.locator("h2.dr-step").first).to_have_text("1. What this is")
    assert page.locator(".dr-stop").count() >= 3, "the beginning, at least one user, the end"
    assert page.locator(".dr-rank").count() >= 2
    expect(page.locator(".dr-title-card", has_text="<img src=x").first).to_be_visible()
    assert_harmless(page)
    assert page.locator("button, a, script, form").count() == 0
    assert asked == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for name in ("nobody", "", "../x", "%00"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{at_studio.url}/-/tour.html?run={name}")


def test_a_phone_needs_no_sideways_scrolling(page: Page, at_studio: Studio, hostile_run: str, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for path in (f"inspect?run={hostile_run}&view=expert", f"tour?run={hostile_run}&step=5"):
        page.goto(f"{at_studio.url}/{path}")
        expect(page.locator(".dr-sentence").or_(page.get_by_text("What to take from it")).first).to_be_visible()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
