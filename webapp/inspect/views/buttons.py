"""Buttons that ask the page *Inspect* for something else: the page's script hands over what stands in them."""

from __future__ import annotations

import json
from typing import Any

from webapp.html import Child, Html, tag


def asking(text: Child, action: dict[str, Any], **attributes: str | int | bool | None) -> Html:
    """A button; ``action`` is what :meth:`webapp.inspect.question.Question.changed` reads."""
    return tag("button", text, type="button", data_ask=json.dumps(action, ensure_ascii=False), **attributes)


def editing(text: Child, what: str, name: str, **attributes: str | int | bool | None) -> Html:
    """A button that edits the history's list in the page; ``name`` says to what, for those who do not see."""
    return tag("button", text, type="button", data_edit=what, aria_label=name, title=name, **attributes)
