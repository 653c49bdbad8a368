"""What tests of the page *Data* share: tables of one's own, and the page's handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from starlette.datastructures import QueryParams
from webapp_studio import pages

from engine.config import DataConfig
from engine.data import importing
from engine.monitor import Monitor
from webapp.access import Access

HOSTILE = "<img src=x onerror=window.pwned=1>\u202egnp.exe"


READ_ONLY = "this view is read-only"


def visits(folder: Path, users: int = 12, items: int = 8, each: int = 7) -> list[Path]:
    """Two tables whose columns have unusual names, one of them hostile text."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(
        f"p{user};g{(user + place) % items};4;{1_500_000_000 + 90 * user + place}\n"
        for user in range(users)
        for place in range(each)
    )
    (folder / "visits log.csv").write_text(f"Who;What;Stars;Moment\n{rows}", encoding="utf-8")
    titles = "".join(f"g{item};{HOSTILE if item == 0 else f'Thing {item}'};A|B\n" for item in range(items))
    (folder / "things.csv").write_text(f"What;Called;Kinds\n{titles}", encoding="utf-8")
    return [folder / "visits log.csv", folder / "things.csv"]


COLUMNS = "user=Who,timestamp=Moment,item=What,title=Called"


def imported(name: str, folder: Path) -> None:
    importing.import_files(visits(folder), name, "csv", DataConfig(columns=COLUMNS), Monitor())


def request(query: str = "") -> Any:
    return SimpleNamespace(query_params=QueryParams(query))


def handlers(name: str, access: Access = Access()) -> Callable[..., Any]:  # noqa: B008 - nobody changes it
    """The page's handler that is called so; in the module of the pages *Data* and *Bring your own*."""
    found = [
        block.fn
        for block in pages(access).fns.values()
        if block.fn is not None
        and getattr(block.fn, "__name__", "") == name
        and block.fn.__module__ in ("webapp.pages.data", "webapp.pages.import_data")
    ]
    return found[0]


def told(updates: Iterator[dict[Any, Any]]) -> dict[str, Any]:
    """The last value of each component, by its element's id."""
    last: dict[str, Any] = {}
    for update in updates:
        for component, value in update.items():
            if component.elem_id:
                last[component.elem_id] = value
    return last
