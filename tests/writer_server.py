"""An OpenAI-compatible endpoint on this machine, for tests: it streams a text, or misbehaves as it is told."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine.config import ExplainConfig

HOLDS = "Aliens (1986) is recommended mainly because of Alien (1979). Mr. Holland's Opus (1995) speaks against it."
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers every request as ``answer`` does, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, object]]] = []
        self.answer: Answer = streaming(HOLDS)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, dict(self.headers), body))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    server.answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing: the tests' output is theirs."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        self.config = ExplainConfig(writer_url=self.url, writer_model="llama")


def sent(status: int, kind: str, *chunks: bytes, pause: float = 0.0, **headers: str) -> Answer:
    """An answer of these bytes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(chunk)
            handler.wfile.flush()
            time.sleep(pause)

    return answer


def event(content: object, **more: object) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": content}, **more}]}).encode() + b"\n\n"


def streaming(text: str) -> Answer:
    pieces = [event(piece) for piece in text.split(" ")[:1] + [f" {word}" for word in text.split(" ")[1:]]]
    usage = b'data: {"choices": [], "usage": {"total_tokens": 9}}\n\n'
    return sent(200, "text/event-stream; charset=utf-8", event(None), *pieces, usage, b"data: [DONE]\n\n")


def whole(content: object, kind: str = "application/json") -> Answer:
    return sent(200, kind, json.dumps({"choices": [{"message": {"content": content}}]}).encode())
