"""The writer elsewhere: a real server on this machine that streams, and one that misbehaves in every way."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from test_grounding import EVIDENCE
from writer_server import HOLDS, Answer, Server, event, sent, streaming, whole

from engine.errors import StudioError
from engine.explain import endpoint
from engine.explain.endpoint import KEY, WriterFailed, write_there
from engine.explain.rationale import rationales, request
from engine.llm.tiny import tiny_causal
from engine.settings import make_config


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def test_its_text_streams_with_the_same_evidence_and_the_key_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "secret-key")
    heard: list[str] = []
    (found,) = rationales(
        tiny_causal(0), EVIDENCE, elsewhere=server.config, on_text=lambda _, piece: heard.append(piece)
    )
    assert (found.text, found.grounding.badge, found.note) == (HOLDS, "grounded", "")
    assert found.weights == f"llama at {server.url[7:-3]}", "its source stands beside the text"
    assert len(heard) > 10
    ((path, headers, body),) = server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret-key"
    assert (body["model"], body["messages"]) == ("llama", [{"role": "user", "content": request(EVIDENCE)}])
    assert "secret-key" not in repr((found, body))


def test_without_a_key_none_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    assert "".join(write_there(server.config, "Why?")) == HOLDS
    assert "Authorization" not in server.asked[0][1]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (whole("It is so."), "It is so."),
        (streaming("<think>Let me see.</think>\n\nIt is so."), "It is so."),
        (streaming("<b>It is so.</b>"), "<b>It is so.</b>"),
        (whole("\x1b[31mIt\u202e is\x00 so."), "[31mIt is so."),
        (sent(200, "text/event-stream", b": hello\r\n\r\n", event("It is so.", finish_reason="stop")), "It is so."),
        (streaming("שלום 🎬"), "שלום 🎬"),
        (sent(200, "text/event-stream", event("A \ud83c"), event("\udfac", finish_reason="stop")), "A 🎬"),
    ],
)  # fmt: skip
def test_what_endpoints_may_send_is_read(server: Server, answer: Answer, text: str) -> None:
    server.answer = answer
    assert "".join(write_there(server.config, "Why?")) == text


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """A stream that never ends, a little at a time."""
    sent(200, "text/event-stream", *(event("so ") for _ in range(200)), pause=0.01)(handler)


def slow_to_begin(handler: BaseHTTPRequestHandler) -> None:
    """Headers that come a byte at a time and never end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Wait: ")
    for _ in range(200):
        handler.wfile.write(b"z")
        time.sleep(0.01)


STREAM = "text/event-stream"
BAD = {
    "a wrong key": (sent(401, "application/json", b"{}"), "refuses the key"),
    "no such model": (sent(404, "application/json", b"{}"), "no such address or model"),
    "too many": (sent(429, "application/json", b"{}"), "asks to wait"),
    "a failure": (sent(500, "text/html", b"<h1>secret-key</h1>"), r"it fails \(500\)"),
    "a redirect": (sent(307, "text/plain", Location="/elsewhere"), "sends elsewhere"),
    "a page": (sent(200, "text/html", b"<h1>Welcome</h1>"), "answers with text/html"),
    "no kind": (sent(200, "", b"hello"), "instead of a text"),
    "nonsense": (sent(200, STREAM, event("It is"), b"data: {{{\n\n"), "no answer in JSON"),
    "a list": (sent(200, "application/json", b"[1]"), "no answer in JSON"),
    "deep nonsense": (sent(200, "application/json", b"[" * 100_000), "no answer in JSON"),
    "another form": (sent(200, "application/json", b'{"text": "It is so."}'), "no choices"),
    "choices that are none": (sent(200, "application/json", b'{"choices": ["x"]}'), "no choices"),
    "a number": (whole(7), "something else than a text"),
    "an error within": (sent(200, STREAM, event("It"), b'data: {"error": {"message": "x"}}\n\n'), "error of its own"),
    "an end too early": (sent(200, STREAM, event("It is")), "breaks off"),
    "nothing": (sent(200, STREAM, b"data: [DONE]\n\n"), "wrote nothing"),
    "nothing at all": (sent(200, "application/json"), "no answer in JSON"),
    "thoughts alone": (streaming("<think>Let me see.</think>"), "wrote nothing"),
    "thoughts without end": (whole("<think>" + "Let me see. " * 2000), "without end"),
    "bytes that are no text": (sent(200, STREAM, b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n'), "UTF-8"),
    "a whole answer that is no text": (sent(200, "application/json", b'{"choices": "\xff"}'), "no answer in JSON"),
    "a long text": (streaming("word " * 2000), "more than 4000 characters"),
    "a huge line": (sent(200, STREAM, *(b"data: " + b"x" * 65536 for _ in range(20))), "more than 1024 KB"),
    "a huge answer": (sent(200, "application/json", *(b" " * 65536 for _ in range(20))), "more than 1024 KB"),
    "a packed one": (sent(200, "application/json", gzip.compress(b" " * 10_000_000), Content_Encoding="gzip"), "packs"),
    "one that hangs": (sent(200, STREAM, event("It"), b"", pause=0.6), "silent for"),
    "half a letter": (sent(200, STREAM, event("A \ud83c"), event(" b", finish_reason="stop")), "UTF-8"),
    "half a letter at the end": (sent(200, STREAM, event("A \ud83c", finish_reason="stop")), "UTF-8"),
    "one that never ends": (dripping, "not done after"),
    "one that never begins": (slow_to_begin, "not done after"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_an_endpoint_that_misbehaves_is_told_of_and_the_model_writes(
    server: Server, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    if case == "one that hangs":
        monkeypatch.setattr(endpoint, "SILENCE", 0.3)
    if case.startswith("one that never"):
        monkeypatch.setattr(endpoint, "SECONDS", 0.3)
    monkeypatch.setenv(KEY, "secret-key")
    server.answer, said = BAD[case]
    with pytest.raises(WriterFailed, match=said) as caught:
        list(write_there(server.config, "Why?"))
    assert len(server.asked) == 1, "a redirect is not followed"
    assert "secret-key" not in f"{caught.value!s} {caught.value.__context__!r}"


def test_where_it_fails_or_does_not_hold_the_run_s_own_model_writes_and_says_why(server: Server) -> None:
    server.answer = sent(500, "text/plain")
    (found,) = rationales(tiny_causal(0), EVIDENCE, elsewhere=server.config)
    assert (found.weights, found.grounding.badge) == ("base", "grounded")
    assert "it fails (500)" in found.note
    server.answer = streaming("Aliens is recommended because of “Blade Runner”.")
    held, other = rationales(tiny_causal(0), EVIDENCE, elsewhere=server.config)
    assert (held.weights, held.grounding.badge) == ("base", "grounded")
    assert held.note.endswith("wrote did not hold")
    assert other.grounding.invented == ("Blade Runner",)
    assert other.weights.startswith("llama at ")


def test_where_nobody_listens_it_is_said(server: Server) -> None:
    server.http.server_close()
    with pytest.raises(WriterFailed, match="cannot be reached"):
        list(write_there(server.config, "Why?"))


@pytest.mark.parametrize("key", ["naïve", "a\nb", "日本"])
def test_a_key_that_no_header_can_hold_is_no_crash(server: Server, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(KEY, key)
    with pytest.raises(WriterFailed) as caught:
        list(write_there(server.config, "Why?"))
    assert key not in str(caught.value)
    assert not server.asked


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("localhost:11434", "m"), ("ftp://x/v1", "m"), ("http://", "m"), ("http://user:key@host/v1", "m"),
        ("http://host/v1?key=1", "m"), ("http://host/v1#x", "m"), ("http://host:99999/v1", "m"), ("http://[::1", "m"),
        ("http://ho st/v1", "m"), ("http://host/v1", ""), ("", "m"), ("file:///etc/passwd", "m"),
    ],
)  # fmt: skip
def test_settings_that_name_no_endpoint_are_refused(url: str, model: str) -> None:
    with pytest.raises(StudioError, match="explain"):
        make_config({"explain": {"writer_url": url, "writer_model": model}})
