"""Who may come in, and what is served."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from db.runs import run_folder
from engine.errors import StudioError
from engine.settings import load_config
from jobs import api
from webapp.access import Access, OwnPages
from webapp.app import create_app, serve
from webapp.login_attempts import FIRST_SECONDS, FREE, Attempts


@pytest.fixture(scope="module")
def guarded() -> TestClient:
    return TestClient(create_app(Access(password="open sesame")), follow_redirects=False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:7860"}, 200),
        ({"host": "[::1]:7860", "sec-fetch-site": "same-origin"}, 200),
        ({"host": "127.0.0.1:7860", "sec-fetch-site": "cross-site"}, 403),
        ({"host": "rebound.example:7860", "sec-fetch-site": "same-origin"}, 403),
        ({"host": "127.0.0.1.rebound.example"}, 403),
        ({"host": ""}, 403),
    ],
)
def test_pages_of_other_sites_cannot_act_here(headers: dict[str, str], status: int) -> None:
    inner = Starlette(routes=[Route("/", lambda _: Response(), methods=["POST"])])
    client = TestClient(OwnPages(inner, Access().names()))
    assert client.post("/", headers=headers).status_code == status


@pytest.mark.parametrize("header", ["host", "x-forwarded-host"])
@pytest.mark.parametrize(
    "value",
    [
        "[::1", "::1]", "[::1]]", "[x]", "[v1.x]", "[::1]:x", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:65536",
        "x:y:z", "me@127.0.0.1", "127.0.0.1/x", "127.0.0.1#", "127.0.0.1?", "127.0.0.1\\", "http://127.0.0.1", "%31",
        "local host", "é", ":", "[]",
    ],
)  # fmt: skip
def test_a_header_that_names_no_machine_is_refused_as_such_whoever_may_come_in(header: str, value: str) -> None:
    inner = Starlette(routes=[Route("/", lambda request: Response(str(request.base_url)))])
    for names in (Access().names(), ()):
        client = TestClient(OwnPages(inner, names), raise_server_exceptions=False)
        headers = {"host": "localhost", header: value.encode()}
        assert client.get("/", headers=headers).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost"},
        {"host": "LOCALHOST:80"},
        {"host": "127.0.0.1:"},
        {"host": "[::1]:65535"},
        {"host": "localhost", "x-forwarded-host": "studio.example.org, inner_1:8080"},
    ],
)
def test_a_header_that_names_a_machine_is_none_of_those(headers: dict[str, str]) -> None:
    inner = Starlette(routes=[Route("/", lambda _: Response())])
    assert TestClient(OwnPages(inner, Access().names())).get("/", headers=headers).status_code == 200


def test_with_a_password_the_app_answers_to_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Access(password="x").names()
    assert Access().names()
    monkeypatch.setenv("DELREC_OPEN", "1")
    assert not Access().names()


@pytest.fixture(scope="module")
def local() -> TestClient:
    return TestClient(create_app(Access()))


def test_an_address_that_others_reach_needs_a_password_or_a_waiver(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudioError, match="DELREC_PASSWORD"):
        serve("0.0.0.0", 7860, Access())
    Access(password="x").check_host("0.0.0.0")
    Access().check_host("127.0.0.1")
    monkeypatch.setenv("DELREC_OPEN", "1")
    Access().check_host("0.0.0.0")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_PASSWORD", "x")
    monkeypatch.setenv("DELREC_READ_ONLY", "true")
    assert Access.from_environment() == Access("x", read_only=True)


class _Visit:
    def __init__(self, **query: str) -> None:
        self.query_params = query


def test_only_looking_is_decided_on_the_server() -> None:
    Access().require_change(_Visit())
    with pytest.raises(StudioError, match="read-only"):
        Access().require_change(_Visit(demo="1"))
    with pytest.raises(StudioError, match="read-only"):
        Access(read_only=True).require_change(_Visit())


def test_health_needs_no_password(guarded: TestClient) -> None:
    assert guarded.get("/healthz").json() == {"status": "ok"}


def test_the_login_page_has_its_icon(guarded: TestClient) -> None:
    icon = guarded.get("/favicon.ico", headers={"accept": "image/*"})
    assert icon.status_code == 200
    assert "<svg" in icon.text


def test_figures_are_for_those_who_know_the_password(guarded: TestClient) -> None:
    assert guarded.get("/metrics").status_code == 401
    assert guarded.get("/metrics", auth=("prometheus", "sesame")).status_code == 401
    assert guarded.get("/metrics", headers={"authorization": "Basic !"}).status_code == 401
    assert guarded.get("/runs", auth=("prometheus", "open sesame")).status_code == 401  # there cookies are asked for
    told = guarded.get("/metrics", auth=("prometheus", "open sesame"))
    assert told.status_code == 200
    assert 'delrec_runs{state="queued"} 0.0' in told.text


@pytest.mark.parametrize("path", ["/", "/runs", "/config", "/files/r-abc234/metrics.json", "/gradio_api/info"])
def test_without_the_password_nothing_is_seen(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 401
    answer = guarded.get(path, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_without_the_password_nothing_is_called(guarded: TestClient) -> None:
    assert guarded.post("/gradio_api/run/predict", json={"fn_index": 0, "data": []}).status_code == 401


def test_the_password_opens_and_a_wrong_or_forged_one_does_not(guarded: TestClient) -> None:
    assert guarded.post("/login", data={"password": "sesame"}).status_code == 401
    assert guarded.get("/runs", headers={"cookie": f"delrec-session={'0' * 64}"}).status_code == 401
    answer = guarded.post("/login", data={"password": "open sesame"})
    assert answer.status_code == 200
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert guarded.get("/runs").status_code == 200
    guarded.cookies.clear()


def _log_in(app: TestClient, client: str, password: str) -> httpx.Response:
    """Log in from the address ``client``."""
    app._transport.client = (client, 50_000)
    return app.post("/login", data={"password": password}, headers={"accept": "text/html"})


def test_guessing_is_slowed_down_and_meanwhile_the_right_password_is_refused_too() -> None:
    app = TestClient(create_app(Access(password="open sesame")), follow_redirects=False)
    assert [_log_in(app, "192.0.2.1", f"sesame {number}").status_code for number in range(FREE)] == [401] * FREE
    refused = _log_in(app, "192.0.2.1", "open sesame")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= FIRST_SECONDS
    assert "Too many wrong passwords. Try again in" in refused.text
    assert "set-cookie" not in refused.headers
    assert _log_in(app, "192.0.2.2", "open sesame").status_code == 303


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_further_wrong_password_doubles_the_wait_up_to_a_limit() -> None:
    clock = _Clock()
    attempts, waits = Attempts(clock), []
    for _ in range(FREE + 7):
        attempts.wrong("192.0.2.1")
        waits.append(attempts.wait("192.0.2.1"))
        clock.now += waits[-1]
        assert attempts.wait("192.0.2.1") == 0
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]


def test_wrong_passwords_are_forgotten_after_the_right_one_and_after_an_hour() -> None:
    clock = _Clock()
    attempts = Attempts(clock)
    for forget in (lambda: attempts.right("192.0.2.1"), lambda: setattr(clock, "now", clock.now + 3601)):
        for _ in range(FREE - 1):
            attempts.wrong("192.0.2.1")
        forget()
        attempts.wrong("192.0.2.1")
        assert attempts.wait("192.0.2.1") == 0
        attempts.right("192.0.2.1")


@pytest.mark.parametrize(
    ("first", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("", "192.0.2.1", False),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(first: str, other: str, same: bool) -> None:
    attempts = Attempts()
    for _ in range(FREE):
        attempts.wrong(first)
    assert (attempts.wait(other) > 0) == same


def test_no_more_clients_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.login_attempts.MOST_CLIENTS", 2)
    attempts = Attempts()
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        for _ in range(FREE):
            attempts.wrong(client)
    assert [attempts.wait(f"192.0.2.{last}") > 0 for last in (1, 2, 3)] == [False, True, True]


def test_a_huge_login_is_refused(guarded: TestClient) -> None:
    assert guarded.post("/login", data={"password": "x" * 100_000}).status_code == 413


def test_files_of_a_run_are_downloads(local: TestClient) -> None:
    run_id = api.launch(load_config("smoke"), "smoke")
    folder = run_folder(run_id)
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    (folder / "secret.txt").write_text("no")
    answer = local.get(f"/files/{run_id}/metrics.json")
    assert (answer.status_code, answer.text) == (200, "{}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert local.get(f"/files/{run_id}/secret.txt").status_code == 404
    assert local.get(f"/files/{run_id}/log.txt").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/files/r-zzzzzz/metrics.json",
        "/files/../metrics.json",
        "/files/%2e%2e/metrics.json",
        "/files/..%2f..%2f/config.yaml",
        "/files/r-abc234/..%2f..%2fstudio.db",
        "/archives/r-zzzzzz.zip",
        "/archives/..%2fmetrics.json.zip",
        "/archives/../metrics.json",
    ],
)
def test_paths_lead_nowhere_else(local: TestClient, delrec_home: Path, path: str) -> None:
    (delrec_home / "runs").mkdir(parents=True)
    (delrec_home / "metrics.json").write_text("outside")
    answer = local.get(path)
    assert "outside" not in answer.text
    assert "content-disposition" not in answer.headers


def test_where_visitors_only_look_nothing_can_be_uploaded(local: TestClient) -> None:
    files = {"files": ("a.zip", b"x")}
    locked = TestClient(create_app(Access(read_only=True)))
    assert locked.post("/gradio_api/upload", files=files).status_code == 403
    assert local.post("/gradio_api/upload", files=files).status_code == 200


def test_a_file_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_IMPORT_MB", "0.001")
    answer = TestClient(create_app(Access())).post("/gradio_api/upload", files={"files": ("a.zip", b"x" * 5000)})
    assert answer.status_code == 413


def test_a_run_under_way_is_no_archive(local: TestClient) -> None:
    run_id = api.launch(load_config("smoke"), "smoke")
    assert local.get(f"/archives/{run_id}.zip").status_code == 404


def test_the_web_process_stays_light() -> None:
    import subprocess
    import sys

    code = "import sys, webapp.app; print(*({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
