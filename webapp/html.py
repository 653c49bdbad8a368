"""HTML built in Python: whatever is not :class:`Html` already is escaped, so names and titles stay text.

Pages hand the result to ``gr.HTML`` as ``value`` only: its templates would run data as JavaScript.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from engine.bidi import pieces, sentence


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]

VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})
TEXT = frozenset({"option", "textarea", "title"})
"""Elements that hold text alone, no elements."""
SPOKEN = frozenset({"title", "aria-label"})
"""Attributes that hold sentences."""


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """An element. ``class_`` and ``data_id`` become ``class`` and ``data-id``; None and False leave one out."""
    parts = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        text = sentence(str(value)) if label in SPOKEN else str(value)
        parts.append(f" {label}" if value is True else f' {label}="{html.escape(text)}"')
    opened = f"<{name}{''.join(parts)}>"
    if name in VOID:
        return Html(opened)
    inside = html.escape(_text(children, name)) if name in TEXT else join(children)
    return Html(f"{opened}{inside}</{name}>")


def join(children: Child) -> Html:
    """Children one after the other; None is nothing. Right-to-left words are isolated, see :mod:`engine.bidi`."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int | float):
        parts = ((html.escape(part), alone) for part, alone in pieces(str(children)))
        return Html("".join(f"<bdi>{part}</bdi>" if alone else part for part, alone in parts))
    return Html("".join(map(join, children)))


def _text(children: Child, name: str) -> str:
    """What an element of text alone holds; a textarea's goes back to the server as it is."""
    if children is None:
        return ""
    if isinstance(children, str | int | float):
        return str(children) if name == "textarea" else sentence(str(children))
    return "".join(_text(child, name) for child in children)


def link(text: Child, href: str, **attributes: str | int | bool | None) -> Html:
    """An anchor to a page of the app."""
    return tag("a", text, href=href, **attributes)


def icon(path: str, size: int = 16) -> Html:
    """A line drawing in the colour of the text around it; ``path`` is SVG path data on a 24 by 24 grid."""
    return Html(
        f'<svg width="{size}" height="{size}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="{html.escape(path)}"/></svg>'
    )
