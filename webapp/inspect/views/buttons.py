"""Buttons and fields that ask the page *Inspect* for something else: the page's script hands over what they say."""

from __future__ import annotations

import json
from typing import Any

from webapp.html import Child, Html, tag
from webapp.inspect.question import LONGEST_TITLE, Question


def asking(text: Child, action: dict[str, Any], **attributes: str | int | bool | None) -> Html:
    """A button; ``action`` is what :meth:`webapp.inspect.question.Question.changed` reads."""
    return tag("button", text, type="button", data_ask=json.dumps(action, ensure_ascii=False), **attributes)


def editing(text: Child, what: str, name: str, **attributes: str | int | bool | None) -> Html:
    """A button that edits the history's list in the page; ``name`` says to what, for those who do not see."""
    return tag("button", text, type="button", data_edit=what, aria_label=name, title=name, **attributes)


def finding(question: Question, what: str, name: str, hint: str) -> Html:
    """A field that finds titles of the catalogue while they are typed; ``what`` becomes of the one that is taken."""
    return tag(
        "div",
        tag("label", name, for_=f"inspect-{what}"),
        tag("input", id=f"inspect-{what}", type="text", role="combobox", autocomplete="off", aria_autocomplete="list",
            aria_expanded="false", aria_controls=f"inspect-{what}-found", maxlength=LONGEST_TITLE, data_titles=what,
            data_run=question.run, placeholder=hint),
        tag("ul", id=f"inspect-{what}-found", role="listbox", aria_label="Titles found", class_="dr-found",
            hidden=True),
        class_="dr-add",
    )  # fmt: skip
