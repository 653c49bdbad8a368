"""A writer elsewhere: any OpenAI-compatible endpoint, as Ollama, vLLM, llama.cpp and ``transformers serve`` offer.

What it sends is nobody's promise: how long it may take, how much it may send and in which form is bounded here, and
whether its words hold is checked by whoever asked.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError

from engine.config_explain import ExplainConfig
from engine.errors import StudioError

KEY = "DELREC_WRITER_KEY"
"""Environment variable that holds the endpoint's key; it is sent there and nowhere else, and kept nowhere."""
SILENCE = 20.0
"""Seconds that the endpoint may be silent; to connect takes at most a quarter of it."""
SECONDS = 60.0
"""That a text may take in all."""
MOST_BYTES = 1 << 20
"""Of an answer as it is sent, with all its wrapping."""
MOST_CHARACTERS = 4000
MOST_TOKENS = 300
THOUGHT = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)
"""What some models think aloud first."""
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Controls of terminals and of directions."""
FAULTS = {
    401: f"it refuses the key (401): set {KEY}",
    403: f"it refuses the key (403): set {KEY}",
    404: "it knows no such address or model (404)",
    429: "it asks to wait (429)",
}


class WriterFailed(StudioError):
    """The endpoint gave no text."""


def key() -> str:
    """``DELREC_WRITER_KEY``; empty where the endpoint needs none.

    Raises:
        WriterFailed: it has letters that no header can hold.
    """
    given = os.environ.get(KEY, "")
    if not (given.isascii() and given.isprintable()):
        raise WriterFailed("it has letters that no key has", where=KEY, remedy="copy it again, without line breaks")
    return given


def name_of(config: ExplainConfig) -> str:
    """Model and host, as they stand beside its texts."""
    return f"{config.writer_model} at {httpx.URL(config.writer_url).netloc.decode()}"


def write_there(config: ExplainConfig, request: str) -> Iterator[str]:
    """Pieces of the endpoint's reply to ``request``, as they come. Redirects are not followed: the key stays there.

    It is read in a thread of its own, which is left behind where the time is up: headers that come a byte at a time are
    silent for no moment, and nothing ends the wait for them.

    Raises:
        WriterFailed: it cannot be reached, refuses, or sends something else than a text, too much of it or too slowly.
    """
    pieces: SimpleQueue[str | Exception | None] = SimpleQueue()
    left = threading.Event()

    def read() -> None:
        try:
            for piece in _read(config, request):
                pieces.put(piece)
                if left.is_set():
                    return
            pieces.put(None)
        except Exception as error:
            pieces.put(error)

    threading.Thread(target=read, daemon=True).start()
    until = time.monotonic() + SECONDS
    try:
        while (piece := pieces.get(timeout=max(0.0, until - time.monotonic()))) is not None:
            if isinstance(piece, Exception):
                raise piece from None
            yield piece
    except Empty:
        raise _failed(config, f"it was not done after {SECONDS:g} seconds") from None
    finally:
        left.set()


def _read(config: ExplainConfig, request: str) -> Iterator[str]:
    secret = key()
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
    body = {
        "model": config.writer_model,
        "messages": [{"role": "user", "content": request}],
        "stream": True,
        "max_tokens": MOST_TOKENS,
    }
    url = f"{config.writer_url.rstrip('/')}/chat/completions"
    limits = httpx.Timeout(SILENCE, connect=SILENCE / 4)
    received = 0
    try:
        with httpx.stream("POST", url, json=body, headers=headers, timeout=limits) as response:
            for piece in _visible(_whole_letters(_pieces(response))):
                if received + len(piece) > MOST_CHARACTERS:
                    raise _failed(config, f"it writes more than {MOST_CHARACTERS} characters")
                received += len(piece)
                yield piece
    except httpx.TimeoutException:
        raise _failed(config, f"it was silent for {SILENCE:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed(config, f"it cannot be reached ({type(error).__name__})") from None
    except _NotText as error:
        raise _failed(config, str(error)) from None
    if not received:
        raise _failed(config, "it wrote nothing")


def _failed(config: ExplainConfig, why: str) -> WriterFailed:
    return WriterFailed(f"{name_of(config)}: {why}", where="explain.writer_url", remedy="see whether the endpoint runs")


class _NotText(Exception):
    """What came is no text; the message says why."""


def _pieces(response: httpx.Response) -> Iterator[str]:
    """The texts of a stream of events, or of a whole answer where the endpoint does not stream."""
    status = response.status_code
    if status != httpx.codes.OK:
        elsewhere = (
            "it sends elsewhere ({}), where nothing is asked" if response.has_redirect_location else "it fails ({})"
        )
        raise _NotText(FAULTS.get(status, elsewhere.format(status)))
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _NotText("it packs its answer, unasked")
    response.stream = _Bounded(response.stream)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        yield from _streamed(response)
    elif kind == "application/json":
        yield _text(_first(_object(response.read())).get("message"))
    else:
        raise _NotText(f"it answers with {kind[:40] or 'something'} instead of a text")


def _streamed(response: httpx.Response) -> Iterator[str]:
    response.encoding = "utf-8"
    ended = False
    try:
        for event in EventSource(response).iter_sse():
            if event.data == "[DONE]":
                ended = True
                break
            if event.data.strip():
                choice = _first(_object(event.data.encode()))
                if choice:
                    yield _text(choice.get("delta"))
                    ended = ended or choice.get("finish_reason") is not None
    except SSEError:
        raise _NotText("its stream cannot be read") from None
    if not ended:
        raise _NotText("its stream breaks off")


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _NotText("it sends what is no answer in JSON")
    if found.get("error"):
        raise _NotText("it reports an error of its own")
    return found


def _first(answer: dict[str, Any]) -> dict[str, Any]:
    """The first choice; a stream's last piece may have none, only counts."""
    choices = answer.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise _NotText("it sends no choices, as an OpenAI-compatible endpoint does")
    found: dict[str, Any] = choices[0] if choices else {}
    return found


def _text(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if content is not None and not isinstance(content, str):
        raise _NotText("it sends something else than a text")
    if "\ufffd" in (content or ""):
        raise _NotText("it sends what is no UTF-8")
    return CONTROLS.sub("", content or "")


def _whole_letters(pieces: Iterator[str]) -> Iterator[str]:
    """The pieces, with letters beyond U+FFFF whole that were sent as halves (JSON's ``\\ud83c``, then ``\\udfac``)."""
    held = ""
    for piece in pieces:
        text = held + piece
        held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        try:
            yield text[: len(text) - len(held)].encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise _NotText("it sends what is no UTF-8") from None
    if held:
        raise _NotText("it sends what is no UTF-8")


def _visible(pieces: Iterator[str]) -> Iterator[str]:
    """The pieces without what the model thought aloud before; emptier ones are left out."""
    thinks, held = True, ""
    for piece in pieces:
        if not thinks:
            if piece:
                yield piece
            continue
        held += piece
        begun = held.lstrip()
        if len(begun) > MOST_CHARACTERS * 4:
            raise _NotText("it thinks aloud without end")
        if begun.startswith("<think>") or "<think>".startswith(begun):
            rest = THOUGHT.sub("", held, count=1) if "</think>" in held else ""
        else:
            rest = begun
        if rest:
            thinks = False
            yield rest


class _Bounded(httpx.SyncByteStream):
    """A body that ends with an error where it goes on for too long, by bytes or by the clock: nobody waits any more."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._until = time.monotonic() + SECONDS

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > MOST_BYTES:
                raise _NotText(f"it sends more than {MOST_BYTES >> 10} KB")
            if time.monotonic() > self._until:
                raise _NotText(f"it was not done after {SECONDS:g} seconds")
            yield chunk

    def close(self) -> None:
        self._stream.close()
