"""A run whose titles are code, and what its page *Inspect* shows."""

from __future__ import annotations

import csv
import json
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect
from webapp_studio import Studio

HOSTILE = '<img src=x onerror="pwned=1">;${pwned=2}{{pwned}}'
ITEMS = 24
ALIKE = {18: "C", 19: "C++", 20: "Same", 21: "Same", 22: "19", 23: "!!!"}
"""Titles of the last items: read by their letters alone, or as ids, they would be others."""


def hostile_settings(folder: Path, writer_url: str) -> tuple[str, ...]:
    """Settings of a run on data in ``folder`` whose titles begin with a word of their own and go on as code."""
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("item", "title"), *((n, title(n)) for n in range(ITEMS))])
    with (folder / "interactions.csv").open("w", newline="", encoding="utf-8") as handle:
        rows = [(user, (user + 5 * step) % ITEMS, step) for user in range(24) for step in range(9)]
        csv.writer(handle).writerows([("user", "item", "timestamp"), *rows])
    data = f"data={{dataset: csv, path: '{folder}', history: 3, candidates: 5}}"
    changes = ("eval.users=8", "eval.full_top=6", "teacher.epochs=1", "distill.steps=2", "distill.validation_users=4",
               "finetune.steps=2", "finetune.validation_users=4", "plus.enabled=false",
               f"explain={{writer_url: '{writer_url}', writer_model: llama}}")  # fmt: skip
    return data, *changes


def title(number: int) -> str:
    return ALIKE.get(number, f"{word(number)} {HOSTILE}")


def word(number: int) -> str:
    return f"{'ABCDEFGH'[number % 8]}{'aeiou'[number // 8]}rolin"


def cards(page: Page) -> list[str]:
    texts: list[str] = page.locator(".dr-title-card b").all_inner_texts()
    return texts


def candidates(page: Page) -> set[str]:
    lines = page.locator("#inspect-sides .dr-line")
    expect(lines).not_to_have_count(0)
    return set(lines.evaluate_all("rows => rows.map(row => row.dataset.item)"))


def wait_until_measured(page: Page) -> None:
    expect(page.locator(".dr-sentence")).to_be_visible()
    expect(page.locator(".dr-measuring")).to_have_count(0)


def whole(sentence: Locator) -> str:
    """Its text with long titles as they are, not as they are cut for reading."""
    text: str = sentence.evaluate(
        """drawn => {
          const copy = drawn.cloneNode(true);
          copy.querySelectorAll("abbr").forEach((cut) => cut.replaceWith(cut.title));
          return copy.textContent;
        }"""
    )
    return text


def assert_harmless(page: Page) -> None:
    assert page.evaluate("window.pwned") is None
    assert page.locator("img[src=x]").count() == 0


def measured_at(page: Page, studio: Studio) -> dict[str, Any]:
    """The data behind what is shown."""
    link = str(page.locator("#share-json").get_attribute("href"))
    with urllib.request.urlopen(f"{studio.url}/{link.removeprefix('./')}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found
