"""Who may come in and who may change things. The server decides; pages only hide what would be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import os
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import StudioError
from engine.variables import switched_on
from webapp.formatting import duration
from webapp.html import Html, tag
from webapp.login_attempts import Attempts
from webapp.proxy import own_path

PASSWORD, OPEN, READ_ONLY, MCP = "DELREC_PASSWORD", "DELREC_OPEN", "DELREC_READ_ONLY", "DELREC_MCP"
"""With the last, the endpoints of :mod:`webapp.endpoints` are tools of an MCP server at ``/gradio_api/mcp``."""
SWITCHES = (OPEN, READ_ONLY, MCP)
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE = "delrec-session"
WEEK = 7 * 24 * 3600
LONGEST_FORM = 4096
HOST = re.compile(r"(?:\[(?P<six>[^\[\]/@?#]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{0,5}))?")
FREE_PATHS = frozenset({"/healthz", "/login", "/login/", "/favicon.ico"})


@dataclass(frozen=True)
class Access:
    """Settings of access; by default those of the environment."""

    password: str = ""
    read_only: bool = False

    @classmethod
    def from_environment(cls) -> Access:
        """``DELREC_PASSWORD`` and ``DELREC_READ_ONLY``."""
        return cls(os.environ.get(PASSWORD, ""), switched_on(READ_ONLY))

    def check_host(self, host: str) -> None:
        """Raise :class:`StudioError` for an address that others reach, unless a password or a waiver guards it."""
        if host not in LOCAL and not self.password and not switched_on(OPEN):
            raise StudioError(
                "others could reach the app without a password",
                where=f"host {host}",
                remedy=f"set {PASSWORD}, or {OPEN}=1 if that is what you want",
            )

    def names(self) -> frozenset[str]:
        """The names under which the app answers, all if empty; without password or waiver only those of this machine.

        Else another site's page could reach the app by giving a name of its own this machine's address.
        """
        return frozenset() if self.password or switched_on(OPEN) else LOCAL

    def is_read_only(self, request: Any) -> bool:
        """Whether this visitor only looks: by the setting, or by ``?demo=1`` in the page's address."""
        return self.read_only or dict(request.query_params).get("demo") == "1"

    def require_change(self, request: Any) -> None:
        """Raise :class:`StudioError` for a visitor who only looks."""
        if self.is_read_only(request):
            raise StudioError("this view is read-only", remedy="open the app without ?demo=1, on your own machine")


class PasswordGate:
    """Lets nobody past without the password: a form at ``/login``, then a cookie signed with it.

    Programs post ``password`` to ``/login`` likewise (``gradio_client`` does with ``auth=("any", password)``).
    A new password, or a restart, ends every session. Who gets it wrong several times is kept waiting.
    """

    def __init__(self, app: ASGIApp, password: str) -> None:
        self.app = app
        self.password = password
        self.key = secrets.token_bytes(32)
        self.attempts = Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            scope_request = Request({**scope, "type": "http", "method": "GET"})
        else:
            scope_request = Request(scope, receive)
        path = own_path(scope)
        if path.rstrip("/") == "/login":
            await (await self._login(scope_request))(scope, receive, send)
        elif path in FREE_PATHS or self._known(scope_request) or (path == "/metrics" and self._basic(scope_request)):
            await self.app(scope, receive, send)
        elif "text/html" in scope_request.headers.get("accept", ""):
            await RedirectResponse("/login", 303)(scope, receive, send)
        else:
            await JSONResponse({"detail": "log in first"}, 401)(scope, receive, send)

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            return HTMLResponse(_login_page(request, ""))
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_FORM:
                return JSONResponse({"detail": "too long"}, 413)
        given = parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]
        client = request.client.host if request.client else ""
        if wait := math.ceil(self.attempts.wait(client)):  # nothing is awaited from here on: each guess is counted
            return _refused(request, f"Too many wrong passwords. Try again in {duration(wait)}.", 429, wait)
        if not hmac.compare_digest(given.encode(), self.password.encode()):
            self.attempts.wrong(client)
            return _refused(request, "That is not the password.", 401)
        self.attempts.right(client)
        response: Response = RedirectResponse("/", 303)
        if "text/html" not in request.headers.get("accept", ""):
            response = JSONResponse({"success": True})
        response.set_cookie(
            COOKIE, self._token(), max_age=WEEK, path=request.scope.get("root_path") or "/", httponly=True,
            samesite="lax", secure=request.url.scheme == "https",
        )  # fmt: skip
        return response

    def _known(self, request: Request) -> bool:
        given = [cookie.strip() for line in request.headers.getlist("cookie") for cookie in line.split(";")]
        mine = f"{COOKIE}={self._token()}".encode()  # others of that name are of apps elsewhere on the same host
        return any(hmac.compare_digest(cookie.encode(), mine) for cookie in given)

    def _basic(self, request: Request) -> bool:
        """Whether a program that can keep no cookie sends the password with its question, under any name."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        client = request.client.host if request.client else ""
        if kind.lower() != "basic" or self.attempts.wait(client):
            return False
        try:
            password = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:
            return False
        right = hmac.compare_digest(password.encode(), self.password.encode())
        (self.attempts.right if right else self.attempts.wrong)(client)
        return right

    def _token(self) -> str:
        return hmac.new(self.key, self.password.encode(), hashlib.sha256).hexdigest()


class NoUploads:
    """Refuses the framework's own route for files where visitors only look."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "/upload" in own_path(scope):
            await JSONResponse({"detail": "this view is read-only"}, 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class OwnPages:
    """Refuses what pages of other sites send here, and requests for a name that is none of ours, or for no name."""

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self.app = app
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._fault(scope) if scope["type"] in ("http", "websocket") else None
        if fault is None:
            await self.app(scope, receive, send)
        else:
            await JSONResponse({"detail": fault[1]}, fault[0])(scope, receive, send)

    def _fault(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        name = _name(headers.get("host", ""))
        forwarded = ",".join(headers.getlist("x-forwarded-host")).split(",")
        if name is None or any(_name(host.strip()) is None for host in forwarded):
            return 400, "Host or X-Forwarded-Host names no machine"
        if self.names and name not in self.names:
            return 403, f"the app does not answer as {name!r}: set {PASSWORD}, or {OPEN}=1 if others may come in"
        if scope.get("method") != "GET" and headers.get("sec-fetch-site") == "cross-site":
            return 403, "sent by a page of another site"
        return None


def _name(host: str) -> str | None:
    """The name in ``name:port``, in small letters and without the brackets of IPv6; ``None`` if it is no such thing."""
    if not host:
        return ""
    found = HOST.fullmatch(host)
    if found is None or int(found["port"] or 0) > 65535:
        return None
    if found["six"] is not None:
        try:
            IPv6Address(found["six"])
        except ValueError:
            return None
    return (found["six"] or found["name"]).lower()


def _refused(request: Request, problem: str, status: int, wait: int = 0) -> HTMLResponse:
    """The form again, with what was wrong and, in seconds, how long to wait."""
    return HTMLResponse(_login_page(request, problem), status, {"Retry-After": str(wait)} if wait else None)


def _login_page(request: Request, problem: str) -> Html:
    style = (
        ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;"
        "min-height:100vh;margin:0}form{display:grid;gap:12px;width:min(320px,90vw)}input,button{font:inherit;"
        "padding:10px 12px;border-radius:8px;border:1px solid #8a94a6}button{background:#2f6fb5;color:#fff;"
        "border:0;cursor:pointer}p{margin:0;color:light-dark(#b3362b,#ff9488)}"
    )
    form = tag(
        "form",
        tag("h1", "DELRec Studio", style="font-size:20px;margin:0"),
        tag("label", "Password", for_="password"),
        tag("input", id="password", name="password", type="password", autocomplete="current-password", autofocus=True),
        tag("p", problem, role="alert") if problem else None,
        tag("button", "Log in", type="submit"),
        method="post",
        action=f"{request.scope.get('root_path', '')}/login",
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", "Log in · DELRec Studio"),
        tag("style", Html(style)),
    )
    return Html("<!doctype html>" + tag("html", head, tag("body", form), lang="en"))
