"""The app without a worker in a real browser: forms, addresses, what stays text, who may change what, small screens."""

from __future__ import annotations

import re
import urllib.request

import pytest
from playwright.sync_api import Browser, Page, expect
from webapp_studio import Studio, open_run, set_value, shows_state

from engine.settings import load_config
from jobs import api

pytestmark = pytest.mark.browser

HOSTILE = (
    '<img src=x onerror="window.pwned=1"> ${window.pwned=2} {{7*7}} <b>%{x}</b> \'"><script>window.pwned=3</script>'
)


def test_a_form_that_cannot_run_says_so_in_place(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(at_quiet_studio.url)
    expect(page.locator("#launch")).to_be_enabled()
    expect(page.locator("#launch-command")).to_contain_text("quickstart")
    expect(page.get_by_role("button").and_(page.locator(".lg"))).to_have_text(["Launch"])
    set_value(page, "finetune.target_r", "64")
    expect(page.locator("#launch-summary [role=alert]")).to_contain_text("finetune.init_r=12 must be above")
    expect(page.locator("#launch")).to_be_disabled()
    set_value(page, "finetune.target_r", "4")
    expect(page.locator("#launch")).to_be_enabled()
    expect(page.locator("#launch-summary")).to_contain_text("finetune.target_r 4")


def test_yaml_goes_into_the_form_and_faults_are_told(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(at_quiet_studio.url)
    expect(page.locator("#yaml a[download]")).to_have_attribute("aria-label", "Download")  # Gradio gives it no name
    editor = page.locator("#yaml .cm-content")
    expect(editor).to_contain_text("seed")
    editor.fill("seed: 7\ndata: {history: 5}\n")
    page.locator("#apply-yaml").click()
    expect(page.locator("#setting-seed input")).to_have_value("7")
    expect(page.locator("#setting-data-history input")).to_have_value("5")
    editor.fill("data: {histori: 5}\n")
    page.locator("#apply-yaml").click()
    expect(page.locator("#yaml-problem")).to_contain_text("did you mean data.history?")
    expect(page.locator("#setting-data-history input")).to_have_value("5")


def test_empty_states_say_the_next_step(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(f"{at_quiet_studio.url}/runs?q=no-such-name-anywhere")
    expect(page.locator("#runs")).to_contain_text("No run")
    page.goto(f"{at_quiet_studio.url}/run")
    expect(page.locator("#run-problem")).to_contain_text("the address names no run")
    page.goto(f"{at_quiet_studio.url}/run?id=r-zzzzzz")
    expect(page.locator("#run-problem")).to_contain_text("no run 'r-zzzzzz'")
    expect(page.get_by_role("link", name="All runs")).to_be_visible()
    expect(page.locator("#run-page")).to_be_hidden()


def test_hostile_names_stay_text_everywhere(page: Page, at_quiet_studio: Studio) -> None:
    name = HOSTILE[:80]
    run_id = api.launch(load_config("smoke"), "smoke", name)
    api.annotate(run_id, tags=[HOSTILE], note=HOSTILE)
    open_run(page, at_quiet_studio, run_id)
    expect(page.locator("#run-head h1")).to_have_text(name)
    expect(page.locator("#run-head .dr-lead")).to_have_text(HOSTILE)
    page.goto(f"{at_quiet_studio.url}/runs")
    expect(page.locator(f"#runs tr[data-run={run_id}] a")).to_have_text(name)
    page.goto(f"{at_quiet_studio.url}/run?id={urllib.request.quote(HOSTILE)}")
    expect(page.locator("#run-problem")).to_contain_text("onerror")
    assert page.evaluate("window.pwned") is None
    assert page.locator("img[src=x]").count() == 0
    api.delete(run_id)


def test_a_waiting_run_says_its_place_and_survives_without_a_worker(page: Page, at_quiet_studio: Studio) -> None:
    first, second = (api.launch(load_config("smoke"), "smoke") for _ in range(2))
    open_run(page, at_quiet_studio, second)
    expect(page.locator("#run-head")).to_contain_text("queued as #2")
    api.cancel(first)
    expect(page.locator("#run-head")).to_contain_text("queued as #1")
    page.locator("#cancel").click()
    shows_state(page, "cancelled")


def test_read_only_is_enforced_on_the_server(page: Page, at_quiet_studio: Studio) -> None:
    run_id = api.launch(load_config("smoke"), "smoke")
    page.goto(f"{at_quiet_studio.url}/?demo=1")
    expect(page.locator("#launch")).to_be_disabled()
    page.get_by_role("link", name="Runs", exact=True).click()
    page.wait_for_url(re.compile(r"/runs\?demo=1"))
    open_run(page, at_quiet_studio, f"{run_id}&demo=1")
    expect(page.locator("#run-head h1")).to_be_visible()
    expect(page.locator("#cancel")).to_be_hidden()

    open_run(page, at_quiet_studio, run_id)
    expect(page.locator("#cancel")).to_be_visible()
    page.evaluate("history.replaceState(null, '', window.location.href + '&demo=1')")
    page.locator("#cancel").click()
    expect(page.locator("#run-said")).to_contain_text("read-only")
    assert api.status(run_id).state == "queued"
    api.cancel(run_id)


def test_name_tags_and_note_can_be_changed(page: Page, at_quiet_studio: Studio) -> None:
    other, run_id = (api.launch(load_config("smoke"), "smoke", name) for name in ("Taken name", "Before"))
    open_run(page, at_quiet_studio, run_id)
    page.get_by_role("tab", name="Name and notes").click()
    expect(page.locator("#edit-name input")).to_have_value("Before")
    page.locator("#edit-name input").fill("Taken name")
    page.locator("#save-notes").click()
    expect(page.locator("#run-said")).to_contain_text("exists already")
    page.locator("#edit-name input").fill("After")
    page.locator("#edit-tags input").fill("baseline, thesis")
    page.locator("#edit-note textarea").fill("Compare with the paper")
    page.locator("#save-notes").click()
    expect(page.locator("#run-head h1")).to_have_text("After")
    expect(page.locator("#run-head")).to_contain_text("thesis")
    assert api.status(run_id).tags == ["baseline", "thesis"]

    page.goto(f"{at_quiet_studio.url}/runs?q=e")
    page.locator(f"[data-pick={run_id}]").check()
    page.locator(f"[data-pick={other}]").check()
    page.get_by_role("link", name="Compare 2 runs").click()
    page.wait_for_url(re.compile(rf"/compare\?runs={run_id},{other}"))
    expect(page.locator("#compare-figures tbody tr")).to_have_count(2)
    expect(page.locator("#compare-settings")).to_contain_text("All settings are the same")
    for done in (other, run_id):
        api.delete(done)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser: Browser, at_quiet_studio: Studio, theme: str) -> None:
    run_id = api.launch(load_config("smoke"), "smoke", "w" * 80 if theme == "light" else "v" * 80)
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=theme)  # type: ignore[arg-type]
    for path, anchor in (
        ("/", "#launch-command code"),
        ("/runs", f"#runs tr[data-run={run_id}]"),
        (f"/run?id={run_id}", "#stages li"),
        ("/compare", ".dr-footer"),
        ("/data", "#bring-files"),
        ("/api", "[data-endpoint=launch] tbody th"),
    ):
        page.goto(f"{at_quiet_studio.url}{path}")
        expect(page.locator(anchor).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        hidden = page.evaluate(
            "[...document.querySelectorAll('.dr-bar, .dr-bar a, .dr-bar button, .dr-card, .dr-head, .dr-footer')]"
            ".filter(e => e.getBoundingClientRect().right > window.innerWidth).map(e => e.className)"
        )
        assert hidden == [], path
        apart = (
            "[...document.querySelectorAll('.prose a:not([class])')].filter(a => getComputedStyle(a).padding !== '0px')"
        )
        assert page.evaluate(f"{apart}.map(a => a.textContent)") == [], (
            "links stand in a sentence as its other words do"
        )
        assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    page.close()
    api.delete(run_id)


def test_no_help_runs_into_the_field_beside_it(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(at_quiet_studio.url)
    expect(page.locator("#launch")).to_be_enabled()
    wide = "[...document.querySelectorAll('.info-text')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    for width in (360, 900, 1300):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(f"{wide}.map(e => e.textContent)") == [], width


def test_the_keyboard_reaches_the_navigation_and_the_button(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(at_quiet_studio.url)
    expect(page.locator("#launch")).to_be_enabled()
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Launch", "Runs", "Compare"} <= set(reached)
    page.locator("#launch").focus()
    assert page.evaluate("document.activeElement.id") == "launch"


def test_what_has_the_focus_is_seen(page: Page, at_quiet_studio: Studio) -> None:
    ring = "() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle }"
    page.goto(f"{at_quiet_studio.url}/runs")
    expect(page.locator("#search input")).to_be_visible()
    page.locator(".dr-icon-button").focus()
    for name in ("INPUT", "INPUT"):  # the search, then the filter of states
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == name
        assert page.evaluate(ring) == "solid"


def test_nothing_is_loaded_from_elsewhere(page: Page, at_quiet_studio: Studio) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if request.url.startswith("http") else None)
    for path in ("/", "/runs", "/run?id=r-zzzzzz", "/compare", "/data"):
        page.goto(f"{at_quiet_studio.url}{path}")
        expect(page.locator(".dr-footer").first).to_be_visible()
    assert hosts == {at_quiet_studio.url.split("/")[2]}
