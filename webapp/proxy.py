"""The app behind a reverse proxy: at a path below the host's own, under the host's name, encrypted outside."""

from __future__ import annotations

import os
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import StudioError
from webapp.pages import PAGES

ROOT_PATH = "DELREC_ROOT_PATH"
SEGMENTS = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~@+-]+)+")
LEAVES = frozenset(
    {"config", "favicon.ico", "healthz", "login", "logout", "manifest.json", "metrics", "monitoring", "openapi.json",
     "pwa_icon", "robots.txt", "theme.css", *(page.address for page in PAGES if page.address)}
)  # fmt: skip
FOLDERS = frozenset({"-", "archives", "assets", "files", "gradio_api", "monitoring", "pwa_icon", "static", "svelte"})
"""First segments of the app's own addresses, those that stand alone and those with something below."""


def root_path(given: str | None = None) -> str:
    """The path below which others reach the app, such as ``/studio``; empty at the top, which ``/`` means too.

    Raises:
        StudioError: ``given``, or ``DELREC_ROOT_PATH`` where nothing is given, is no such path, or an address of the
            app's own, where a proxy that strips the path could not be told from one that does not.
    """
    text, where = (os.environ.get(ROOT_PATH, ""), ROOT_PATH) if given is None else (given, "--root-path")
    path = text.removesuffix("/")
    if not path:
        return ""
    remedy = "write it as it stands in the address after the host's name, e.g. /studio"
    if not SEGMENTS.fullmatch(path):
        raise StudioError(f"{text!r} is no path of letters, digits and -._~@+ after each /", where=where, remedy=remedy)
    first, _, below = path[1:].partition("/")
    if first in FOLDERS or (first in LEAVES and not below):
        raise StudioError(
            f"/{first} is an address of the app's own", where=where, remedy="choose another, e.g. /studio"
        )
    return path


class BehindProxy:
    """Lets the app see what the browser sees: path, name of the host, encryption.

    The proxy may strip the root path or leave it. Redirects that know nothing of it are mended. Name and encryption
    are believed whoever sends them: they only shape what is sent back to the same visitor.
    """

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if scope["type"] == "http" and self.root_path and scope["path"] == self.root_path:  # else links lead astray
            query = scope["query_string"].decode("latin-1")
            await RedirectResponse(f"{self.root_path}/{query and '?'}{query}")(scope, receive, send)
            return

        async def mended(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                target = headers.get("location", "")
                if target.startswith("/") and not target.startswith("//") and not self._below(target.partition("?")[0]):
                    headers["location"] = self.root_path + target
            await send(message)

        await self.app(self._outside(scope), receive, mended)

    def _outside(self, scope: Scope) -> Scope:
        seen = dict(scope)
        if self.root_path:
            path, raw = scope["path"], scope.get("raw_path")
            seen["root_path"] = self.root_path
            if not self._below(path):
                seen["path"] = self.root_path + path
                seen["raw_path"] = self.root_path.encode() + raw if raw is not None else None
        headers = Headers(scope=scope)
        if _first(headers.get("x-forwarded-proto", "")).lower() in ("https", "wss"):
            seen["scheme"] = "https" if scope["type"] == "http" else "wss"
        if host := _first(headers.get("x-forwarded-host", "")):
            seen["headers"] = [pair for pair in scope["headers"] if pair[0] != b"host"] + [
                (b"host", host.encode("latin-1"))
            ]
        return seen

    def _below(self, path: str) -> bool:
        """Whether the root path is there already; always, if there is none."""
        return path == self.root_path or path.startswith(f"{self.root_path}/")


def own_path(scope: Scope) -> str:
    """The path of a request without the root path."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _first(value: str) -> str:
    """What the outermost of several proxies said."""
    return value.partition(",")[0].strip()
