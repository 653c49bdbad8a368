"""What somebody enters stays: no answer that comes by itself draws over a field that is being edited, on any page."""

from __future__ import annotations

import gc
import re
import time
from collections import Counter
from collections.abc import Iterator

import gradio as gr
import pytest
from gradio.state_holder import StateHolder
from playwright.sync_api import Browser, Locator, Page, expect
from smoke_runs import finished_run
from webapp_studio import Studio, pages

from engine.settings import load_config
from jobs import api
from webapp.form import element_id

pytestmark = pytest.mark.browser

EDITED = (gr.Textbox, gr.Dropdown, gr.Radio, gr.Checkbox, gr.CheckboxGroup, gr.Number, gr.Slider, gr.Code)
ANSWERS = "/gradio_api/run/"
PATIENCE = 60.0
TYPE_AT_ONCE = """
const typed = window.typedInto = {};
const inside = (field) => field.closest("[id]").id;
const write = (field) => { field.focus(); document.execCommand("insertText", false, "typed"); };
new MutationObserver(() => document.querySelectorAll("FIELDS").forEach((field) => {
  if (typed[inside(field)] || getComputedStyle(field).visibility === "hidden" || !field.offsetParent) return;
  typed[inside(field)] = true;
  DELAY ? setTimeout(() => write(field), DELAY) : write(field);
})).observe(document, { childList: true, subtree: true, attributes: true });
"""


@pytest.fixture
def tabs(browser: Browser) -> Iterator[Browser]:
    """A browser whose tabs are closed at the end."""
    yield browser
    for context in browser.contexts:
        context.close()


def test_nothing_that_happens_by_itself_sets_a_field() -> None:
    ticking = {id(fn): fn for fn in pages().fns.values() if any(event == "tick" for _, event in fn.targets)}
    assert len(ticking) >= 5
    for fn in ticking.values():
        fields = [
            block.elem_id or block.label
            for block in fn.outputs
            if isinstance(block, EDITED) and block.visible is not False and block.interactive is not False
        ]
        assert fields == [], f"{fn.page}: a tick may draw over {fields}"


def test_what_is_pasted_or_deleted_counts_as_what_is_typed(page: Page, at_quiet_studio: Studio) -> None:
    """To Gradio's textboxes only keys that write are input."""
    page.goto(f"{at_quiet_studio.url}/runs")
    page.locator("#search input, #search textarea").click()
    page.keyboard.insert_text("pasted")
    page.wait_for_url("**q=pasted")
    page.keyboard.press("Backspace")
    page.wait_for_url("**q=paste")
    page.keyboard.type("d")
    page.wait_for_url("**q=pasted")
    page.goto(f"{at_quiet_studio.url}/?preset=smoke")
    page.locator(f"#{element_id('data.path')}").locator("input, textarea").fill("/pasted")
    page.wait_for_url("**data.path*pasted*")


def test_what_is_typed_outlives_polls_changes_of_the_run_and_a_server_that_forgets(
    tabs: Browser, at_quiet_studio: Studio
) -> None:
    """Every field of every page, all opened at once; the runs change, and every page looks at them again."""
    done = finished_run([], "Finished")
    waits, other = (api.launch(load_config("smoke"), "smoke", name) for name in ("Waits", "Waits too"))
    context = tabs.new_context()
    seen: list[tuple[str, Page, list[Locator]]] = []
    for path, names in (
        ("/", ("#run-name input", "#setting-data-path input", "#setting-seed input")),
        ("/?preset=smoke", ("#run-name input", "#setting-data-path input")),
        ("/runs", ("#search input", "#picked-name input", "#picked-tags input", "#picked-note textarea")),
        (f"/run?id={waits}", ("#edit-name input", "#edit-tags input", "#edit-note textarea")),
        (f"/inspect?run={done}", ("#inspect-user", "#inspect-add")),
        (f"/inspect?run={done}&titles=", ("#inspect-paste",)),
    ):
        page = context.new_page()
        page.goto(f"{at_quiet_studio.url}{path}")
        if path == "/runs":
            page.locator(f"[data-pick={waits}]").check()
            page.locator("#edit-picked").click()
            expect(page.locator("#picked-name input")).to_have_value("Waits")
        if path.startswith("/run?"):
            page.get_by_role("tab", name="Name and notes").click()
        fields = [page.locator(name) for name in names]
        for field in fields:
            expect(field).to_be_visible()
            field.press_sequentially("1")
        seen.append((path, page, fields))
    texts = {id(field): field.input_value() for *_, fields in seen for field in fields}
    assert [text for text in texts.values() if "1" not in text] == [], texts

    answers: Counter[str] = Counter()
    for path, page, _ in seen:
        page.on("response", lambda answer, path=path: answers.update([path] * (ANSWERS in answer.url)))
    api.rename(waits, "Renamed elsewhere")
    api.annotate(waits, tags=["from", "elsewhere"], note="By somebody else.")
    api.cancel(other)
    _forget()
    polling = [path for path, *_ in seen if path == "/runs" or path.startswith("/run?") or path.startswith("/inspect?")]
    deadline = time.monotonic() + PATIENCE
    while any(answers[path] < 3 for path in polling if not path.endswith("titles=")) and time.monotonic() < deadline:
        seen[0][1].wait_for_timeout(100)
    assert all(answers[path] >= 3 for path in polling if not path.endswith("titles=")), answers
    for path, page, fields in seen:
        page.bring_to_front()
        assert {path: [field.input_value() for field in fields]} == {path: [texts[id(field)] for field in fields]}
    run_page = next(page for path, page, _ in seen if path.startswith("/run?"))
    expect(run_page.locator("#run-head h1")).to_have_text("Renamed elsewhere")
    for run_id in (waits, other, done):
        api.cancel(run_id) if run_id == waits else None
        api.delete(run_id)


@pytest.mark.parametrize("delay", [0, 15])
def test_what_is_typed_as_soon_as_a_field_shows_stays(tabs: Browser, at_quiet_studio: Studio, delay: int) -> None:
    """The first answer, and the framework when it opens a tab, set the fields a moment after they show."""
    name = f"typed {delay} before"  # found by the search that is typed, should its event be heard
    run_id = api.launch(load_config("smoke"), "smoke", name)
    fields = "#edit-name input, #edit-tags input, #search input, #setting-data-path input"
    context = tabs.new_context()
    context.add_init_script(TYPE_AT_ONCE.replace("FIELDS", fields).replace("DELAY", str(delay)))
    for path, anchor, typed in (
        (f"/run?id={run_id}", "#run-head h1", {"edit-name": f"typed{name}|{name}typed|typed", "edit-tags": "typed"}),
        ("/runs", "#runs table", {"search": "typed"}),
        ("/runs?q=x", "#runs", {"search": "xtyped|typedx"}),
        ("/?preset=smoke", "#launch-command code", {"setting-data-path": "typed"}),
    ):
        page = context.new_page()
        page.goto(f"{at_quiet_studio.url}{path}")
        expect(page.locator(anchor).first).to_be_visible()
        if "run?" in path:
            page.get_by_role("tab", name="Name and notes").click()
        for field_id, text in typed.items():
            field = page.locator(f"#{field_id} input")
            expect(field).to_have_value(re.compile("typed"))
            page.wait_for_timeout(700)
            expect(field).to_have_value(re.compile(f"^({text})$"))
    api.cancel(run_id)
    api.delete(run_id)


def test_saving_leaves_alone_what_somebody_else_changed_meanwhile(page: Page, at_quiet_studio: Studio) -> None:
    run_id = api.launch(load_config("smoke"), "smoke", "Ours")
    api.cancel(run_id)
    page.goto(f"{at_quiet_studio.url}/run?id={run_id}")
    page.get_by_role("tab", name="Name and notes").click()
    expect(page.locator("#edit-name input")).to_have_value("Ours")
    api.rename(run_id, "Theirs")
    api.annotate(run_id, tags=["theirs"])
    page.locator("#edit-note textarea").fill("ours")
    page.locator("#save-notes").click()
    expect(page.locator("#run-said")).to_contain_text("Saved.")
    changed = api.status(run_id)
    assert (changed.name, changed.tags, changed.note) == ("Theirs", ["theirs"], "ours")
    expect(page.locator("#edit-name input")).to_have_value("Theirs")
    expect(page.locator("#edit-tags input")).to_have_value("theirs")
    page.locator("#edit-tags input").fill("")
    page.locator("#edit-note textarea").fill("")
    _forget()
    page.locator("#save-notes").click()
    expect(page.locator("#edit-tags input")).to_have_value("")
    expect(page.locator("#run-head")).not_to_contain_text("theirs")
    assert (api.status(run_id).tags, api.status(run_id).note) == ([], "")
    api.delete(run_id)


def test_yaml_that_is_being_written_does_not_follow_the_form(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(at_quiet_studio.url)
    expect(page.locator("#launch")).to_be_enabled()
    editor = page.locator("#yaml .cm-content")
    editor.fill("seed: 7\n")
    steps = page.locator("#setting-finetune-steps input")
    steps.fill("12")
    steps.press("Tab")
    expect(page.locator("#launch-command")).to_contain_text("finetune.steps=12")
    expect(editor).to_have_text("seed: 7")
    expect(page.locator("#yaml-problem")).to_contain_text("does not follow the form")
    page.locator("#apply-yaml").click()
    expect(page.locator("#setting-seed input")).to_have_value("7")
    expect(editor).to_contain_text("ml-100k")
    expect(page.locator("#yaml-problem")).to_be_empty()
    steps.fill("13")
    steps.press("Tab")
    expect(page.locator("#launch-command")).to_contain_text("finetune.steps=13")
    expect(page.locator("#yaml-problem")).to_be_empty()


def _forget() -> None:
    """The app loses what it knew of its visitors, as when it is started anew."""
    for holder in gc.get_objects():
        if isinstance(holder, StateHolder):
            holder.session_data.clear()
