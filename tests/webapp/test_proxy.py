"""The app at a path below another site's name, behind a real proxy: one that strips the path, one that leaves it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from gradio_client import Client
from mcp_client import call_tools
from playwright.sync_api import Browser, expect
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from webapp_studio import pages, served_here

from db.runs import run_folder
from engine.errors import StudioError
from engine.settings import load_config
from jobs import api
from webapp import proxy
from webapp.access import COOKIE, Access
from webapp.app import create_app
from webapp.proxy import BehindProxy, root_path

ROOT, PASSWORD = "/studio", "open sesame"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The app below ``/studio``, with a password and MCP, as the proxies reach it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELREC_MCP", "1")
        with served_here(Access(password=PASSWORD), ROOT) as address:
            yield address


@pytest.fixture(scope="module", params=["strip", "keep"])
def outside(request: pytest.FixtureRequest, upstream: str) -> Iterator[str]:
    """Where the proxy offers the app, without the last slash; anything else on its host is not found."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).with_name("reverse_proxy.py")
    process = subprocess.Popen([sys.executable, str(script), str(port), upstream, ROOT, request.param])
    try:
        host = f"http://127.0.0.1:{port}"
        for _ in range(300):
            assert process.poll() is None
            try:
                assert httpx.get(f"{host}/elsewhere").text == "not the app's"
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield host + ROOT
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def visitor(outside: str) -> Iterator[httpx.Client]:
    """Somebody who has logged in."""
    with httpx.Client(base_url=outside, timeout=60, headers={"accept": "text/html"}) as client:
        assert client.post("/login", data={"password": PASSWORD}).headers["location"] == f"{ROOT}/"
        yield client


def _run_with_files() -> str:
    run_id = api.launch(load_config("smoke"), "smoke", "Known")
    folder = run_folder(run_id)
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"found": true}')
    return run_id


@pytest.mark.parametrize("path", ["/", "/runs", "/run?id=r-abc234", "/files/r-abc234/log.txt", "/-/titles"])
def test_who_has_not_logged_in_is_led_to_the_form_below_the_root(outside: str, path: str) -> None:
    answer = httpx.get(outside + path, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ROOT}/login")
    assert httpx.get(outside + path).status_code == 401
    for form in ("/login", "/login/"):
        assert f'action="{ROOT}/login"' in httpx.get(outside + form).text
    assert httpx.get(f"{outside}/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(("said", "secure"), [("https", True), ("https, http", True), ("http", False), ("", False)])
def test_the_cookie_belongs_to_the_root_and_to_https(outside: str, said: str, secure: bool) -> None:
    answer = httpx.post(f"{outside}/login", data={"password": PASSWORD}, headers={"x-forwarded-proto": said})
    fields = [field.strip().lower() for field in answer.headers["set-cookie"].split(";")]
    assert f"path={ROOT}" in fields
    assert ("secure" in fields) == secure


def test_a_cookie_of_another_app_on_the_host_does_no_harm(outside: str) -> None:
    mine = httpx.post(f"{outside}/login", data={"password": PASSWORD}).cookies[COOKIE]
    for cookies in (f"{COOKIE}={mine}; {COOKIE}={'0' * 64}", f"{COOKIE}={'0' * 64}; other=1;{COOKIE}={mine}"):
        assert httpx.get(f"{outside}/runs", headers={"cookie": cookies}).status_code == 200
    assert httpx.get(f"{outside}/runs", headers={"cookie": f"{COOKIE}={'0' * 64}"}).status_code == 401


@pytest.mark.parametrize("page", sorted(name for name, _, _ in pages().pages if name))
def test_every_page_names_the_root_also_with_a_slash_too_many(visitor: httpx.Client, page: str) -> None:
    answer = visitor.get(f"/{page}/")
    assert (answer.status_code, answer.headers["location"]) == (301, f"{ROOT}/{page}")
    answer = visitor.get(f"/{page}")
    assert answer.status_code == 200
    roots = set(re.findall(r'"root":\s*"([^"]*)"', answer.text))
    assert roots == {str(visitor.base_url).rstrip("/")}


def test_pages_name_host_and_protocol_of_the_outermost_proxy(visitor: httpx.Client) -> None:
    headers = {"x-forwarded-proto": "https, http", "x-forwarded-host": "example.org:8443, inner"}
    text = visitor.get("/runs", headers=headers).text
    assert set(re.findall(r'"root":\s*"([^"]*)"', text)) == {f"https://example.org:8443{ROOT}"}


def test_files_scripts_and_the_frameworks_own_are_below_the_root(visitor: httpx.Client) -> None:
    run_id = _run_with_files()
    answer = visitor.get(f"/files/{run_id}/metrics.json")
    assert answer.json() == {"found": True}
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "javascript" in visitor.get("/-/plotly.min.js").headers["content-type"]
    assert visitor.get("/-/titles", params={"run": run_id, "q": "a"}).json() == []
    assert visitor.get("/gradio_api/info").is_success
    base = visitor.get("/").text
    own = re.findall(r'(?:src|href)="\./([^"]+\.(?:js|css))"', base)
    assert own
    for path in own:
        assert visitor.get(f"/{path}").is_success, path


def test_the_root_itself_leads_to_its_pages(upstream: str) -> None:
    answer = httpx.get(f"{upstream}{ROOT}?demo=1")
    assert (answer.status_code, answer.headers["location"]) == (307, f"{ROOT}/?demo=1")


def test_programs_call_the_endpoints_and_tools(outside: str) -> None:
    run_id = _run_with_files()
    client = Client(f"{outside}/", auth=("any", PASSWORD), verbose=False)
    assert client.predict(run=run_id, api_name="/status")["id"] == run_id
    cookies = httpx.post(f"{outside}/login", data={"password": PASSWORD}).cookies
    ((failed, text),) = call_tools(f"{outside}/gradio_api/mcp/", ("status", {"run": run_id}), cookies=cookies)
    assert not failed
    assert run_id in text


@pytest.mark.browser
def test_a_visitor_finds_everything_below_the_root(browser: Browser, outside: str) -> None:
    run_id = _run_with_files()
    lost: list[str] = []
    tab = browser.new_page()
    tab.on("pageerror", lambda error: lost.append(str(error)))
    tab.on("response", lambda answer: lost.append(answer.url) if answer.status >= 400 else None)
    mine = (f"{outside}/", "data:", "blob:")
    tab.on("request", lambda asked: None if asked.url.startswith(mine) else lost.append(asked.url))
    try:
        tab.goto(f"{outside}/")
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("button", name="Log in").click()
        tab.wait_for_url(f"{outside}/")
        expect(tab.locator("#launch-command")).to_contain_text("delrec run --preset")
        tab.get_by_label("Smoke").check()
        expect(tab.locator("#launch-command")).to_contain_text("delrec run --preset smoke")
        tab.get_by_role("link", name="Runs", exact=True).click()
        tab.wait_for_url(f"{outside}/runs")
        tab.locator("#runs").get_by_role("link", name="Known").click()
        tab.wait_for_url(f"{outside}/run?id={run_id}")
        tab.get_by_role("tab", name="Files").click()
        with tab.expect_download() as download:
            tab.get_by_role("link", name="metrics.json").click()
        assert download.value.path().read_text() == '{"found": true}'
        tab.get_by_role("link", name="API", exact=True).click()
        expect(tab.locator("#api-example")).to_contain_text(f'Client("{outside}")')
        tab.get_by_role("link", name="DELRec Studio").first.click()
        tab.wait_for_url(f"{outside}/")
    finally:
        tab.close()
    assert lost == []


@pytest.mark.parametrize(
    "given",
    ["studio", "//", "//studio", "/a//b", "/studio//", "/..", "/a/../b", "/./a", "/a/.", "/a?b=1", "/a#b", "/a b", " ",
     " /a", "/a ", "/a\n", "/%73tudio", "/stüdio", "/a;b", "/a\\b", '/"a', "/{a}", "https://example.org/studio",
     "/runs", "/login/", "/files", "/files/x", "/gradio_api/studio", "/-"],
)  # fmt: skip
def test_what_is_no_root_path_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    with pytest.raises(StudioError) as refused:
        root_path(given)
    assert "--root-path" in str(refused.value)
    assert "/studio" in refused.value.remedy
    assert len(str(refused.value).splitlines()) == 1
    monkeypatch.setenv("DELREC_ROOT_PATH", given)
    with pytest.raises(StudioError, match="DELREC_ROOT_PATH"):
        root_path()


@pytest.mark.parametrize(
    ("given", "path"),
    [("", ""), ("/", ""), ("/studio", "/studio"), ("/studio/", "/studio"), ("/a/b.c/~d_e-1/", "/a/b.c/~d_e-1"),
     ("/user/anna@example.org/proxy/7860", "/user/anna@example.org/proxy/7860"), ("/runs/x", "/runs/x"),
     ("/...", "/..."), ("/runs2", "/runs2")],
)  # fmt: skip
def test_a_root_path_comes_from_the_option_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, given: str, path: str
) -> None:
    monkeypatch.setenv("DELREC_ROOT_PATH", "/other")
    assert root_path() == "/other"
    assert root_path(given) == path
    monkeypatch.setenv("DELREC_ROOT_PATH", given)
    assert root_path() == path


def test_the_apps_own_addresses_are_all_known() -> None:
    """Else a root path of that name would be taken off where the proxy has done so already."""
    leaves, folders = set(), set()
    for path in _addresses(create_app(Access(password="x")).routes):
        first, _, below = path.strip("/").partition("/")
        (folders if below else leaves).add(first.partition("=")[0])
    assert leaves - {""} - proxy.LEAVES - proxy.FOLDERS == set(), "to be named in LEAVES of webapp/proxy.py"
    assert folders - proxy.FOLDERS == set(), "to be named in FOLDERS of webapp/proxy.py"


def _addresses(routes: Any) -> Iterator[str]:
    """Those of an app, also through mounted apps and included routers that stand at the top."""
    for route in routes:
        if path := getattr(route, "path", ""):
            yield path
        else:
            yield from _addresses((getattr(route, "original_router", None) or route.app).routes)


def _seen(root: str, answer: Callable[[Request], Response]) -> TestClient:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(Request(scope, receive))(scope, receive, send)

    return TestClient(BehindProxy(app, root), follow_redirects=False)


@pytest.mark.parametrize("root", ["", "/studio", "/a/b"])
@pytest.mark.parametrize("path", ["/", "/runs", "/studios", "/stud", "/files/x/y%20z", "/gradio_api/studio/x"])
def test_the_app_sees_the_same_whether_the_path_is_stripped_or_not(root: str, path: str) -> None:
    def seen(request: Request) -> Response:
        scope = request.scope
        return JSONResponse([scope["raw_path"].decode(), scope["path"], proxy.own_path(scope)])

    client = _seen(root, seen)
    first, second = client.get(path).json(), client.get(root + path).json()
    plain = path.replace("%20", " ")
    assert first == second == [root + path, root + plain, plain]


@pytest.mark.parametrize(
    ("target", "mended"),
    [("/runs", "/studio/runs"), ("/studio", "/studio"), ("/studio/runs?a=/b", "/studio/runs?a=/b"),
     ("./runs", "./runs"),
     ("/studios", "/studio/studios"), ("/studio?x=1", "/studio?x=1"), ("//example.org/x", "//example.org/x"),
     ("https://example.org/x", "https://example.org/x")],
)  # fmt: skip
def test_redirects_stay_below_the_root(target: str, mended: str) -> None:
    assert _seen("/studio", lambda _: RedirectResponse(target)).get("/x").headers["location"] == mended
    assert _seen("", lambda _: RedirectResponse(target)).get("/x").headers["location"] == target
