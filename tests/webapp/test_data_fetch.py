"""Fetching on the page *Data*, from owners on this machine: sizes first, then agreed to, stopped, gone on with."""

from __future__ import annotations

import gzip
import json
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from data_world import request
from playwright.sync_api import Page, expect
from webapp_studio import Studio, pages

from engine import datasets
from engine.config import DataConfig
from engine.data.listing import listed
from engine.fields import describe
from engine.interpreter import ROOT
from engine.locations import data_presence
from jobs import data_work
from tests.file_server import Server, serving
from webapp.access import Access
from webapp.events import LatestRequest
from webapp.pages import data as page_module
from webapp.pages import fetching

CHILD = Path(__file__).parent / "fetch_child.py"


def category_files(category: str, letters: int = 120_000) -> dict[str, bytes]:
    """A category of Amazon 2014; so many letters of its reviews cannot be packed."""
    noise = random.Random(0)
    reviews = [
        {
            "reviewerID": f"A{user}",
            "asin": f"B{(user + place) % 8}",
            "unixReviewTime": 1_390_000_000 + 86_400 * place,
            "reviewText": noise.randbytes(letters // 160).hex(),
        }
        for user in range(12)
        for place in range(7)
    ]
    items = [
        repr({"asin": f"B{item}", "title": f"Thing {item}", "categories": [["All", "Kinds"]]}) for item in range(8)
    ]
    return {
        f"reviews_{category}_5.json.gz": gzip.compress("\n".join(map(json.dumps, reviews)).encode() + b"\n", mtime=0),
        f"meta_{category}.json.gz": gzip.compress("\n".join(items).encode() + b"\n", mtime=0),
    }


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as server:
        start = f"import sys; sys.path.insert(0, {ROOT!r}); sys.argv[:] = sys.argv[1:]; import runpy; "
        start += "runpy.run_path(sys.argv[0], run_name='__main__')"
        monkeypatch.setattr(data_work, "CHILD", (sys.executable, "-P", "-c", start, str(CHILD), server.url))
        first = datasets.reader("amazon-2014").remotes(DataConfig(dataset="amazon-2014", category="Beauty"))[0]
        where = "/" + first.urls[0].split("/", 3)[3].rpartition("/")[0]
        for category in ("Beauty", "Office_Products"):
            server.files |= {f"{where}/{name}": content for name, content in category_files(category).items()}
        yield server


def handler(name: str, module: Any = fetching, access: Access | None = None) -> Any:
    return next(
        block.fn
        for block in pages(access).fns.values()
        if getattr(block.fn, "__name__", "") == name and getattr(block.fn, "__module__", "") == module.__name__
    )


def told(updates: Iterator[dict[Any, Any]]) -> list[str]:
    """What was said, one after the other."""
    return [
        str(value)
        for update in updates
        for part, value in update.items()
        if getattr(part, "elem_id", "") == "fetch-said"
    ]


def offered(query: str, category: str | None) -> tuple[str, dict[str, Any]]:
    """What is said of the offer, and the offer."""
    said, offer = "", {}
    for update in handler("asked")(category, LatestRequest(None), request(query)):
        for part, value in update.items():
            if getattr(part, "elem_id", "") == "fetch-said":
                said = str(value)
            elif isinstance(value, dict) and "files" in value:
                offer = value
    return said, offer


AMAZON = "dataset=amazon-2014"


def test_the_size_is_said_before_anything_is_fetched_and_what_came_can_be_chosen(owner: Server) -> None:
    said, offer = offered(AMAZON, "Beauty")
    assert "reviews_Beauty_5.json.gz" in said
    assert "meta_Beauty.json.gz" in said
    assert "kB? Terms: no licence stated" in said
    assert {method for method, *_ in owner.requests} == {"HEAD"}
    assert "Fetched." in told(handler("fetched")(offer, LatestRequest(None), request(AMAZON)))[-1]
    assert data_presence(DataConfig(dataset="amazon-2014", category="Beauty")) == "here"
    assert listed("amazon-2014").parts_here == datasets.fetched_parts() == ("Beauty",)
    assert next(setting for setting in describe() if setting.name == "data.category").choices == ("Beauty",)

    offer = offered(AMAZON, "Office_Products")[1]
    told(handler("fetched")(offer, LatestRequest(None), request(AMAZON)))
    assert listed("amazon-2014").state == "here"
    opened = handler("opened", page_module)
    head, _, one, *_, card, part = opened(request(f"{AMAZON}&category=Office_Products"))
    assert 'category=Beauty"' in head
    assert "data.category%3DOffice_Products" in head
    assert (one.visible, card.visible, part.value, "Baby" in str(part.choices)) == (True, True, "Office_Products", True)
    *_, (_, figures, _) = handler("measured", page_module)(request(f"{AMAZON}&category=Office_Products"))
    assert "reviews_Office_Products_5.json" in figures


@pytest.mark.parametrize(
    ("query", "category", "fault"),
    [
        (AMAZON, None, "Amazon 2014: which part?"),
        (AMAZON, "Toys", "there is no &#x27;Toys&#x27;"),
        (AMAZON, "Baby", "the server answered 404"),
        ("dataset=ml-1m", None, "ml-1m.zip cannot be fetched"),
        ("dataset=csv", None, "cannot be fetched"),
        ("dataset=synthetic", None, "cannot be fetched"),
        ("dataset=nonsense", None, "there is no data set"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(query: str, category: str | None, fault: str, owner: Server) -> None:
    said, offer = offered(query, category)
    assert fault in said
    assert offer == {}


def test_stopped_or_broken_off_it_goes_on_where_it_was(owner: Server) -> None:
    offer = offered(AMAZON, "Beauty")[1]
    owner.breaks, owner.holds = 20_000, threading.Event()
    now: LatestRequest[Any] = LatestRequest(None)
    going = handler("fetched")(offer, now, request(AMAZON))
    while not any("GET" in asked for asked in owner.requests):
        next(going)
    handler("stopped")(now)
    assert "Stopped. Fetched again, it goes on" in told(going)[-1]
    owner.holds.set()
    owner.holds = None
    said = told(handler("fetched")(offer, LatestRequest(None), request(AMAZON)))[-1]
    assert "What has come is kept" in said
    owner.breaks = None
    assert "Fetched." in told(handler("fetched")(offer, LatestRequest(None), request(AMAZON)))[-1]
    assert any(asked == "bytes=20000-" for *_, asked in owner.requests)


@pytest.mark.parametrize("access", [Access(read_only=True), Access()])
def test_a_visitor_who_only_looks_fetches_nothing(access: Access, owner: Server) -> None:
    query = AMAZON if access.read_only else f"{AMAZON}&demo=1"
    *_, card, _ = handler("opened", page_module, access)(request(query))
    assert not card.visible
    asked = handler("asked", access=access)("Beauty", LatestRequest(None), request(query))
    assert "this view is read-only" in told(asked)[-1]
    offer = {"name": "amazon-2014", "category": "Beauty", "files": []}
    assert "read-only" in told(handler("fetched", access=access)(offer, LatestRequest(None), request(query)))[-1]
    assert owner.requests == []


@pytest.mark.parametrize(
    ("name", "there", "part"),
    [
        ("ml-1m", True, "ml-1m"),
        ("ml-100k", True, False),
        ("goodbooks-10k", True, False),
        ("csv", False, False),
        ("recbole", False, False),
        ("synthetic", False, False),
    ],
)
def test_only_what_can_be_fetched_has_the_card(name: str, there: bool, part: str | bool) -> None:
    *_, card, field = handler("opened", page_module)(request(f"dataset={name}"))
    assert (card.visible, field.visible and field.value) == (there, part)


@pytest.mark.browser
def test_a_part_is_chosen_fetched_and_shown(page: Page, at_quiet_studio: Studio, owner: Server) -> None:
    page.goto(f"{at_quiet_studio.url}/data?{AMAZON}")
    page.locator("#fetch-part input").click()
    page.get_by_role("option", name="Beauty", exact=True).click()
    page.locator("#fetch-ask").click()
    expect(page.locator("#fetch-said")).to_contain_text("meta_Beauty.json.gz")
    page.locator("#fetch-really").click()
    expect(page.locator("#data-figures .dr-tile")).to_have_count(8)
    assert page.url.endswith("category=Beauty")
