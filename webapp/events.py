"""How handlers meet people: faults become sentences, parts of a page are drawn anew only when they changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, TypeVar, cast

import gradio as gr
from gradio.components import Component

from engine.errors import StudioError
from webapp.layout import notice

PageView = TypeVar("PageView")
What = TypeVar("What")
PageHandler = TypeVar("PageHandler", bound=Callable[..., Any])

UNQUEUED: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Events that read the database: they answer at once, beside whatever the queue works on, and are not endpoints."""

OPENED = "() => delrecOpened()"
"""After the first answer: fields of the class ``dr-opens`` hold what the address names, and show."""

log = logging.getLogger(__name__)


def error_text(error: Exception) -> str:
    """One sentence for an exception; the trace of an unexpected one goes to the server's log."""
    if isinstance(error, StudioError):
        return str(error)
    log.exception("unexpected fault in a page", exc_info=error)
    return f"Something unexpected went wrong ({type(error).__name__}); the server's log has the details."


def or_notice(*others: Any) -> Callable[[PageHandler], PageHandler]:
    """Has a handler tell what it raises in a notice, in the place of its first value; ``others`` are the rest then."""

    def decorated(handler: PageHandler) -> PageHandler:
        @wraps(handler)
        def told(*given: Any) -> Any:
            try:
                return handler(*given)
            except Exception as error:
                fault = notice("bad", error_text(error))
                return (fault, *others) if others else fault

        return cast(PageHandler, told)

    return decorated


# Of all visitors: a gr.State is copied, a lock cannot be, and each holds it an instant.
_ONE_AT_A_TIME = threading.Lock()


class LatestRequest(Generic[What]):
    """What a visitor asks now, for a ``gr.State``: the handlers of one visitor share it, each in a thread of its own.

    So a slow look at what was asked before notices that it was overtaken, and does not draw over what came after.
    """

    def __init__(self, now: What) -> None:
        self._now = now

    @property
    def now(self) -> What:
        return self._now

    @now.setter
    def now(self, what: What) -> None:
        with _ONE_AT_A_TIME:
            self._now = what

    def settle(self, asked: What, found: What) -> bool:
        """Put ``found`` in the place of ``asked``; whether that still was what the visitor asks, or nothing is put."""
        with _ONE_AT_A_TIME:
            if self._now != asked:
                return False
            self._now = found
            return True


@dataclass(frozen=True)
class PagePart(Generic[PageView]):
    """A piece of a page.

    ``fingerprint`` is cheap and changes when the piece must change; ``build`` gives a value for each component.
    """

    name: str
    components: Sequence[Component]
    fingerprint: Callable[[PageView], Hashable]
    build: Callable[[PageView], Sequence[Any]]


def refresh(
    parts: Sequence[PagePart[PageView]], view: PageView, seen: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Any]]:
    """New fingerprints, and the values of all parts' components; what has not changed is left alone."""
    fresh: dict[str, Any] = {}
    values: list[Any] = []
    for part in parts:
        fresh[part.name] = part.fingerprint(view)
        if part.name in seen and seen[part.name] == fresh[part.name]:
            values += [gr.skip()] * len(part.components)
        else:
            values += part.build(view)
    return fresh, values
