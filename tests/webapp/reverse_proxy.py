"""A small reverse proxy, run as a process: ``python reverse_proxy.py PORT UPSTREAM PREFIX strip|keep``.

It answers for ``PREFIX`` alone: what a page fetches from anywhere else on the host is not found.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"}


def proxy(upstream: str, prefix: str, strip: bool) -> Starlette:
    """The proxy as an app; what a proxy before it said of the protocol is passed on."""
    sender = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=None))  # a client would keep cookies

    async def forward(request: Request) -> Response:
        path = request.scope["raw_path"].decode("ascii")
        if not path.startswith(f"{prefix}/") and path != prefix:
            return PlainTextResponse("not the app's", 404)
        inner = path.removeprefix(prefix) if strip else path
        query = request.url.query
        headers = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP]
        client_host = request.client.host if request.client else ""
        headers.append(("x-forwarded-for", client_host))
        if "x-forwarded-proto" not in request.headers:
            headers.append(("x-forwarded-proto", request.url.scheme))
        target = f"{upstream}{inner}{query and '?'}{query}"
        answer = await sender.handle_async_request(
            httpx.Request(request.method, target, headers=headers, content=request.stream())
        )

        async def body() -> AsyncIterator[bytes]:
            async for part in answer.aiter_raw():
                yield part

        given = StreamingResponse(body(), answer.status_code, background=BackgroundTask(answer.aclose))
        given.raw_headers = [pair for pair in answer.headers.raw if pair[0].decode().lower() not in HOP_BY_HOP]
        return given

    return Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)])


if __name__ == "__main__":
    port, upstream, prefix, way = sys.argv[1:]
    uvicorn.run(proxy(upstream, prefix, way == "strip"), port=int(port), log_level="warning")
