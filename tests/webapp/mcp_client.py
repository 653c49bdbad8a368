"""A real MCP client for tests."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from webapp.endpoints import ENDPOINTS


def call_tools(
    address: str, *calls: tuple[str, dict[str, Any]], cookies: httpx.Cookies | None = None
) -> list[tuple[bool, str]]:
    """The answer of each call: whether it is an error, and its text."""

    async def talk() -> list[tuple[bool, str]]:
        async with (
            httpx.AsyncClient(cookies=cookies, timeout=60) as client,
            streamable_http_client(address, http_client=client) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            before = next(tool.name for tool in tools if tool.name.endswith("launch")).removesuffix("launch")
            names = {tool.name.removeprefix(before): tool.name for tool in tools}
            assert sorted(names) == sorted(ENDPOINTS)
            assert all(tool.description for tool in tools)
            answers = [await session.call_tool(names[name], arguments) for name, arguments in calls]
            return [(bool(answer.isError), answer.content[0].text) for answer in answers]

    # A thread of its own: in the main one the loop of a browser test that ran before may still be up.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, talk()).result()
