"""The runs page in a real browser: found by what they are and how they stand, exported and imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from smoke_runs import finished_run
from webapp_studio import Studio

from engine.errors import StudioError
from engine.settings import load_config
from jobs import api

pytestmark = pytest.mark.browser


def _names(page: Page) -> list[str]:
    names: list[str] = page.locator("#runs tbody .dr-run-name a").all_text_contents()
    return names


def test_waiting_runs_say_their_place_and_that_nobody_takes_them_up(page: Page, at_quiet_studio: Studio) -> None:
    first, second = (api.launch(load_config("smoke"), "smoke", name) for name in ("Comes first", "Comes second"))
    page.goto(f"{at_quiet_studio.url}/runs")
    expect(page.locator(f"#runs tr[data-run={first}] .dr-state")).to_contain_text("place 1 in the queue")
    expect(page.locator(f"#runs tr[data-run={second}] .dr-state")).to_contain_text("place 2 in the queue")
    expect(page.locator("#runs-warning")).to_contain_text("No worker is running")
    api.cancel(first)
    expect(page.locator(f"#runs tr[data-run={second}] .dr-state")).to_contain_text("place 1 in the queue")

    page.get_by_label("Stopped").check()
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    assert _names(page) == ["Comes first"]
    page.wait_for_url("**state=stopped**")
    page.reload()
    expect(page.get_by_label("Stopped")).to_be_checked()
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    page.get_by_label("Under way").check()
    expect(page.locator("#runs")).to_contain_text("No run matches")
    for run_id in (first, second):
        api.delete(run_id)
    page.goto(f"{at_quiet_studio.url}/runs")
    expect(page.locator("#runs-warning")).to_be_hidden()


def test_ticked_runs_are_edited_sorted_and_deleted(page: Page, at_quiet_studio: Studio) -> None:
    names = ("Alpha", "Gamma", "Beta")
    alpha, gamma, beta = (api.launch(load_config("smoke"), "smoke", name) for name in names)
    for run_id in (alpha, gamma, beta):
        api.cancel(run_id)
    page.goto(f"{at_quiet_studio.url}/runs?state=stopped")
    expect(page.locator("#runs tbody tr")).to_have_count(3)
    expect(page.locator("#picked")).to_be_hidden()
    page.get_by_role("button", name="Run", exact=True).click()
    assert _names(page) == ["Alpha", "Beta", "Gamma"]
    page.wait_for_url("**sort=run")

    page.locator(f"[data-pick={gamma}]").check()
    page.locator("#edit-picked").click()
    expect(page.locator("#picked-name input")).to_have_value("Gamma")
    page.locator("#picked-name input").fill("Alpha")
    page.locator("#save-picked").click()
    expect(page.locator("#picked-said [role=alert]")).to_contain_text("exists already")
    page.locator("#picked-name input").fill("A first")
    page.locator("#picked-note textarea").fill("renamed")
    page.locator("#save-picked").click()
    expect(page.locator("#picked-said")).to_contain_text("Saved")
    expect(page.locator("#runs tbody tr").first).to_contain_text("A first")  # sorted anew as it is drawn anew
    expect(page.locator(f"[data-pick={gamma}]")).to_be_checked()
    assert page.locator("[data-pick]:checked").count() == 1

    page.locator(f"[data-pick={beta}]").check()
    page.locator("#edit-picked").click()
    expect(page.locator("#picked-name input")).to_be_hidden()
    page.locator("#picked-tags input").fill("thesis")
    page.locator("#save-picked").click()
    expect(page.locator(f"tr[data-run={beta}]")).to_contain_text("thesis")
    changed = api.status(gamma)
    assert (changed.name, changed.tags, changed.note) == ("A first", ["thesis"], "renamed")

    page.locator("#delete-picked").click()
    expect(page.locator("#picked-confirm")).to_contain_text("A first, Beta")
    page.locator("#really-delete-picked").click()
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    expect(page.locator("#picked")).to_be_hidden()
    assert _names(page) == ["Alpha"]
    api.delete(alpha)


def test_runs_are_found_by_teacher_model_tag_and_note(page: Page, at_quiet_studio: Studio) -> None:
    wanted = load_config("smoke", overrides=["teacher.name=gru4rec", "llm.name=tiny-seq2seq"])
    found, other = api.launch(wanted, "smoke", "Wanted"), api.launch(load_config("smoke"), "smoke", "Other")
    api.annotate(found, tags=["thesis"], note="An odd one.")
    page.goto(f"{at_quiet_studio.url}/runs")
    expect(page.locator("#runs tbody tr")).to_have_count(2)
    for text in ("gru4", "tiny-seq2seq", "thesis", "odd one"):
        page.locator("#search input").fill("")
        expect(page.locator("#runs tbody tr")).to_have_count(2)
        page.locator("#search input").press_sequentially(text)
        expect(page.locator("#runs tbody tr")).to_have_count(1)
        assert _names(page) == ["Wanted"]
    for run_id in (found, other):
        api.delete(run_id)


@pytest.mark.parametrize("name", ["x" * 10_000, "left\u202eright", "two\nlines", "  "])
def test_names_that_mislead_are_refused(at_quiet_studio: Studio, name: str) -> None:
    with pytest.raises(StudioError, match="cannot name a run"):
        api.launch(load_config("smoke"), "smoke", name)


def test_a_run_travels_as_an_archive(page: Page, at_quiet_studio: Studio, tmp_path: Path) -> None:
    run_id = finished_run([], name="Traveller")
    page.goto(f"{at_quiet_studio.url}/run?id={run_id}")
    page.get_by_role("tab", name="Files").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as an archive").click()
    archive = tmp_path / "run.zip"
    models = len(api.results(run_id)["models"])
    download.value.save_as(archive)
    api.delete(run_id)

    page.goto(f"{at_quiet_studio.url}/runs")
    page.locator("input[type=file]").set_input_files(archive)
    page.wait_for_url("**/run?id=**")
    expect(page.locator("#run-head h1")).to_have_text("Traveller")
    expect(page.locator("#results-candidates tbody tr")).to_have_count(models)
    assert not list(at_quiet_studio.home.glob(".export-*"))

    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no archive")
    page.goto(f"{at_quiet_studio.url}/runs")
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.locator("#import-said [role=alert]")).to_be_visible()
    api.delete("Traveller")


def test_a_visitor_who_only_looks_cannot_import(page: Page, at_quiet_studio: Studio) -> None:
    page.goto(f"{at_quiet_studio.url}/runs?demo=1")
    expect(page.locator("#runs")).to_contain_text("No runs yet")
    expect(page.locator("#import")).to_be_hidden()
