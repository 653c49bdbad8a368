"""The web app: health check, downloads, pages."""

from __future__ import annotations

import os
import warnings
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported: nothing is sent anywhere

import gradio as gr
import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from engine.registered import registered
from engine.variables import switched_on
from jobs import health, logs
from jobs.settings import import_limits
from webapp import downloads, endpoints, experiment_file, tour_file
from webapp.access import MCP, Access, NoUploads, OwnPages, PasswordGate
from webapp.inspect import downloads as inspect_downloads
from webapp.layout import footer
from webapp.pages import PAGES, PageEntry
from webapp.proxy import BehindProxy, root_path
from webapp.theme import STATIC, head, theme

HOUR = 3600
MOST_SESSIONS = 300
"""Opened pages that are remembered, about 1 MB each; those not used for the longest time are forgotten first. A page
that was forgotten reads its address again."""


def create_app(access: Access | None = None, root: str | None = None) -> FastAPI:
    """The whole app, ready to be served; settings of access and root path come from the environment by default.

    Raises:
        StudioError: the root path is not one, see :func:`webapp.proxy.root_path`.
    """
    access = access or Access.from_environment()
    root = root_path(root)
    app = FastAPI(title="DELRec Studio", openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        wrong = health.fault()
        return JSONResponse({"status": wrong or "ok"}, 503 if wrong else 200)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(health.exposition(), media_type=health.TYPE)

    app.include_router(downloads.router)
    app.include_router(inspect_downloads.router)
    app.include_router(tour_file.router)
    app.include_router(experiment_file.router)
    if access.read_only:
        app.add_middleware(NoUploads)
    if access.password:
        app.add_middleware(PasswordGate, password=access.password)
    app.add_middleware(BehindProxy, root_path=root)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="SSR mode")  # several pages have none, and none is asked for
        return _mount(app, access, root)


def _mount(app: FastAPI, access: Access, root: str) -> FastAPI:
    pages = build_pages(access)
    pages.state_session_capacity = MOST_SESSIONS
    mounted = gr.mount_gradio_app(
        app,
        pages,
        path="/",
        theme=theme(),
        head=head(),
        favicon_path=str(STATIC / "favicon.svg"),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        max_file_size=int(import_limits()[0]),
        show_error=False,
        mcp_server=switched_on(MCP),
        pwa=False,
        root_path=root or None,
    )
    # Else every tab would hold a connection open for as long as it is there, and browsers open six to a host: with the
    # sixth tab all of them would hang. It tells the server when a tab is closed, for which nothing here waits.
    pages.config["connect_heartbeat"] = False
    return mounted


def build_pages(access: Access) -> gr.Blocks:
    """All pages; each stands at its own address."""
    with gr.Blocks(title="DELRec Studio", analytics_enabled=False, delete_cache=(HOUR, HOUR), fill_width=True) as pages:
        gr.Navbar(visible=False)
        first, *others = PAGES
        _draw(first, access)
        endpoints.build(access)
        for page in others:
            # Not by Blocks.route: it closes and opens the whole again, and with every page all before it are configured
            # and a web app is made of them, of which only the last is used: three of four seconds of a start.
            pages.current_page = page.address
            pages.pages.append((page.address, page.name, False))  # not in Gradio's own navigation
            _draw(page, access)
    return pages


def _draw(page: PageEntry, access: Access) -> None:
    registered(page.build)(access)
    footer()


def serve(host: str = "127.0.0.1", port: int = 7860, access: Access | None = None, root: str | None = None) -> None:
    """Serve the app until interrupted.

    Raises:
        StudioError: an address that others reach, without password or waiver; a root path that is none.
    """
    access = access or Access.from_environment()
    access.check_host(host)
    app = create_app(access, root)
    app.add_middleware(OwnPages, names=access.names())
    own: dict[str, Any] = {} if logs.form() == "text" else {"log_config": None}  # else what it logs is a line as others
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=3, **own)
