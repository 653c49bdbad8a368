"""What programs call: documented as it is, typed, and refused to those who only look; what pages call is private."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import yaml
from changes import CHANGING, FREE, collect, uses, way_to_a_change
from fastapi.testclient import TestClient
from gradio_client import Client
from gradio_client.exceptions import AppError
from webapp_studio import Studio, pages

from engine.config import DataConfig
from engine.data import importing
from engine.errors import StudioError
from engine.experiment.files import plan_from_yaml
from engine.experiment.parsing import make_plan
from engine.experiment.plan import expand
from engine.monitor import Monitor
from engine.settings import load_config, stored_config
from jobs import api, data_work, experiments, searches, storage
from webapp import answering
from webapp.access import Access
from webapp.app import create_app
from webapp.endpoints import ENDPOINTS, Endpoints
from webapp.pages import PAGES
from webapp.pages.api import described

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def _client(studio: Studio, **options: Any) -> Client:
    return Client(studio.url, verbose=False, analytics_enabled=False, **options)


@cache
def _info() -> dict[str, Any]:
    """What Gradio tells programs of the endpoints; the same whoever may change something."""
    told: dict[str, Any] = pages().get_api_info()
    return told


def test_what_is_public_is_what_is_documented() -> None:
    info = _info()
    assert list(info["named_endpoints"]) == [f"/{name}" for name in ENDPOINTS]
    assert not info["unnamed_endpoints"]
    rows = dict(re.findall(r"^\| `/(\w+)` \| .* \| (yes|no) \|$", DOCS.read_text(), re.MULTILINE))
    known = {name: "yes" if name in CHANGING else "no" for name in ENDPOINTS}
    assert rows == known, "the table of docs/api.md has a row for every endpoint, and says whether it asks first"


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_and_parameter_is_explained(name: str) -> None:
    what, parameters = described(getattr(Endpoints, name))
    assert what.endswith(".")
    public = _info()["named_endpoints"][f"/{name}"]["parameters"]
    assert [parameter for parameter, _, _ in parameters] == [known["parameter_name"] for known in public]
    assert all(meaning.endswith(".") for _, _, meaning in parameters)
    assert all(known["type"] for known in public)


@pytest.mark.browser
def test_runs_are_listed_cancelled_and_resumed(at_quiet_studio: Studio) -> None:
    client = _client(at_quiet_studio)
    run = client.predict(preset="smoke", name="By a program", api_name="/launch")
    assert (run["state"], run["position"]) == ("queued", 1)
    assert not {"pid", "host", "worker_pid"} & set(run)
    assert [known["id"] for known in client.predict(text="by a prog", api_name="/runs")] == [run["id"]]
    assert client.predict(run="By a program", api_name="/cancel")["state"] == "cancelled"
    assert client.predict(run=run["id"], api_name="/resume")["state"] == "queued"
    assert client.predict(run=run["id"], api_name="/metrics") == []
    api.delete(run["id"])


@pytest.mark.browser
@pytest.mark.parametrize(
    ("endpoint", "values", "message"),
    [
        ("/launch", {"preset": "nonsense"}, "unknown preset 'nonsense'"),
        ("/launch", {"preset": "smoke", "settings": ["distill.stepz=1"]}, "did you mean distill.steps?"),
        ("/launch", {"preset": "smoke", "name": "two\nlines"}, "cannot name a run"),
        ("/launch", {"preset": "smoke", "settings": ["llm.name=nonsense"]}, "'nonsense' is not known"),
        ("/status", {"run": "../../etc/passwd"}, "no run '../../etc/passwd'"),
        ("/results", {"run": "r-zzzzzz"}, "no run 'r-zzzzzz'"),
        ("/recommend", {"run": "r-zzzzzz", "titles": ["Heat"]}, "no worker is there to answer"),
    ],
)
def test_faults_are_told_in_a_sentence(
    at_quiet_studio: Studio, endpoint: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(AppError) as told:
        _client(at_quiet_studio).predict(**values, api_name=endpoint)
    assert message in str(told.value)
    assert "Traceback" not in str(told.value)


PLAN = {
    "preset": "smoke",
    "base": {"distill": {"steps": 20}},
    "vary": {"teacher.name": ["sasrec", "gru4rec"]},
    "variants": {"with": {}, "without": {"distill.prompt": "none"}},
    "datasets": ["synthetic"],
    "seeds": "0-1",
    "question": "Does it hold?",
}


@pytest.mark.parametrize("written", [json.dumps, yaml.safe_dump])
@pytest.mark.parametrize("more", [{}, {"template": "ablations", "vary": {}, "variants": {}}])
def test_a_plan_is_what_the_shells_file_is(written: Callable[[Any], str], more: dict[str, Any]) -> None:
    text = written({**PLAN, **more, "name": "theirs"})
    plan, *_ = plan_from_yaml(text, "file")
    programs, asked = Endpoints(Access()), SimpleNamespace(query_params={})
    assert programs.experiment(asked, plan=text, dry_run=True)["size"] == plan.size
    assert api.runs() == []
    told = programs.experiment(asked, plan=text, name="mine")
    assert (told["name"], told["question"]) == ("mine", "Does it hold?")
    made = experiments.standing("mine")
    assert experiments.plan_in(made.experiment) == plan
    assert [stored_config(run.config) for run in made.runs] == [it.config for it in expand(plan)]
    assert programs.experiment(asked, plan=text)["name"] == "theirs"


def test_variants_that_a_base_cannot_have_are_told_before_the_start_and_after() -> None:
    programs, asked = Endpoints(Access()), SimpleNamespace(query_params={})
    given = {"preset": "smoke", "settings": ["distill.prompt=none"], "template": "ablations"}
    looked = programs.experiment(asked, **given, dry_run=True)
    assert looked["left_out"]["without RPS"] == "there is no pair of TA and RPS with distill.prompt=none"
    told = programs.experiment(asked, **given)
    assert told["left_out"] == looked["left_out"] == programs.lead_experiment(asked, told["id"])["left_out"]
    plan = make_plan("smoke", load_config("smoke", overrides=given["settings"]), template="ablations")
    made = [run["variant"] for run in told["runs"]]
    assert made == [run.label for run in expand(plan)]
    assert {"as it stands", "without stage 2"} <= set(made)
    assert not set(made) & set(told["left_out"])


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"plan": "- a list"}, "this describes no experiment"),
        ({"plan": "{preset: smoke, sedes: 0-1}"}, "unknown key 'sedes'"),
        ({"plan": "{preset: smoke", "seeds": ""}, "not valid YAML"),
        ({"plan": "{seeds: 0-1}", "preset": "smoke"}, "preset does not go with plan"),
        ({"plan": "{preset: smoke}", "vary": ["finetune.steps=1,2"]}, "vary does not go with plan"),
        ({"plan": "{preset: smoke, vary: {eval.users: [5, 6]}, seeds: 0-100}"}, "this starts 202 runs"),
    ],
)
def test_a_plan_that_cannot_be_is_a_sentence(given: dict[str, Any], what: str) -> None:
    with pytest.raises(StudioError, match=what):
        Endpoints(Access()).experiment(SimpleNamespace(query_params={}), **given)
    assert api.runs() == []


def test_very_many_runs_are_started_by_programs_that_confirm_them() -> None:
    plan = "{preset: smoke, vary: {eval.users: [5, 6]}, seeds: 0-100}"
    told = Endpoints(Access()).experiment(SimpleNamespace(query_params={}), plan=plan, confirmed=True)
    assert len(told["runs"]) == 202


def test_waiting_questions_cannot_take_the_threads_that_serve_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MOST_QUESTIONS", 1)
    known = Endpoints(Access())
    said: list[str] = []

    def wait(*_: object) -> SimpleNamespace:
        with pytest.raises(StudioError) as refused:  # while this one waits
            known.recommend("r-known", ["Heat"])
        said.append(str(refused.value))
        return SimpleNamespace(state="done", answer={"titles": len(said)})

    monkeypatch.setattr(api, "workers", lambda: ["one"])
    monkeypatch.setattr(api, "ask", lambda *_: SimpleNamespace(id=1))
    monkeypatch.setattr(api, "wait_for_answer", wait)
    assert [known.recommend("r-known", ["Heat"]) for _ in range(2)] == [{"titles": 1}, {"titles": 2}]
    assert all("1 questions are waiting already" in text for text in said)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that change something, in the order in which they were called."""
    made: list[str] = []

    def recorder(name: str) -> Callable[..., str]:
        return lambda *_, **__: made.append(name) or run_id

    run_id = api.launch(load_config("smoke"), "smoke")
    (tmp_path / "log.csv").write_text("user,item,timestamp,title\na,b,1,T\n")
    importing.import_files([tmp_path / "log.csv"], "mine", None, DataConfig(), Monitor())
    for module in (api, data_work, experiments, searches, storage):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            told = f"{function.__module__}.{name}"
            if told not in FREE and way_to_a_change(told, uses()):
                monkeypatch.setattr(module, name, recorder(told))
    return made


def _sent(block: gr.blocks.Block) -> object:
    """What a browser sends for an input; a ``gr.State`` stays on the server."""
    if isinstance(block, gr.State):
        return None
    value: object = getattr(block, "value", None)
    return "" if isinstance(block, gr.Textbox) and value is None else value


def _call_everything(access: Access, query: str = "") -> None:
    """Fire every event of every page and every endpoint, with values of the kind that its inputs hold."""
    built = pages(access)
    inputs = {number: [_sent(block) for block in fn.inputs] for number, fn in built.fns.items() if fn.fn is not None}
    assert len(inputs) > 20
    with TestClient(create_app(access)) as client:
        run = api.runs()[0]
        for number, values in inputs.items():
            function = built.fns[number]
            named = {"name": "mine", "new": "yours", "run": run.id, "preset": "smoke", "titles": ["Heat"], "k": 1}
            if function.api_name in ENDPOINTS and function.api_visibility == "public":
                public = _info()["named_endpoints"][f"/{function.api_name}"]["parameters"]
                names = [parameter["parameter_name"] for parameter in public]
                values = [named.get(name, value) for name, value in zip(names, values, strict=True)]
            body = {"fn_index": number, "data": values, "session_hash": "test"}
            client.post(f"/gradio_api/run/predict?id={run.id}&dataset=mine{query}", json=body)


@pytest.mark.parametrize(("access", "query"), [(Access(read_only=True), ""), (Access(), "&demo=1")])
def test_a_visitor_who_only_looks_can_call_everything_and_change_nothing(
    calls: list[str], access: Access, query: str
) -> None:
    _call_everything(access, query)
    assert calls == []


def test_the_same_calls_change_things_where_that_is_allowed(calls: list[str]) -> None:
    _call_everything(Access())
    actions = ("launch", "cancel", "resume", "retry", "rename", "annotate", "delete")
    assert {f"jobs.api.{name}" for name in actions} | {"jobs.data_work.rename", "jobs.data_work.delete"} <= set(calls)


@pytest.mark.parametrize(
    "root", [it.build.replace(":", ".") for it in PAGES] + [f"webapp.endpoints.Endpoints.{name}" for name in ENDPOINTS]
)
def test_whoever_changes_something_asks_first(root: str) -> None:
    """Whatever it is called with, which the calls above cannot try."""
    way = way_to_a_change(root, uses())
    assert way == [], f"{' > '.join(way)}: the page or the endpoint calls access.require_change(request) first"


def _way(code: str) -> list[str]:
    found: dict[str, set[str]] = {}
    collect(ast.parse(code), "webapp.pages.new", {"api": "jobs.api"}, found)
    return way_to_a_change("webapp.pages.new.build", {**uses(), **found})


@pytest.mark.parametrize("table", ["ACTIONS = {'rename': api.rename}", "ACTIONS: Actions = {'rename': api.rename}"])
def test_what_changes_something_is_found_in_a_table(table: str) -> None:
    code = f"{table}\ndef build():\n def act(name):\n  ASK\n  ACTIONS[name]()\n button.click(act)"
    assert "jobs.api.rename" in _way(code.replace("ASK", "pass"))
    assert _way(code.replace("ASK", "access.require_change(request)")) == []


def test_what_changes_something_is_found_under_another_name() -> None:
    assert "jobs.archive.read" in _way("def build():\n def imported(file):\n  api.import_run(file)\n load(imported)")
    assert _way("def build():\n def shown(run):\n  api.log_tail(run)\n load(shown)") == []


def test_what_changes_something_is_not_handed_on_unasked() -> None:
    """Whoever gets it may ask, which the code does not tell."""
    assert "jobs.api.rename" in _way("def build():\n def lead(action):\n  action()\n button.click(lead, api.rename)")


def test_a_page_that_changes_something_without_asking_is_found() -> None:
    code = "def build(access):\n def renamed(name):\n  ASK\n  api.rename(name)\n button.click(renamed)"
    way = _way(code.replace("ASK", "pass"))
    assert way[1:3] == ["webapp.pages.new.build.renamed", "jobs.api.rename"]
    assert way[-1] == "db.store.writing"
    assert _way(code.replace("ASK", "access.require_change(request)")) == []


def test_mcp_is_off_unless_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with TestClient(create_app(Access())) as client:
        assert client.get("/gradio_api/mcp/schema").status_code == 404
    monkeypatch.setenv("DELREC_MCP", "1")
    with TestClient(create_app(Access())) as client:
        tools = client.get("/gradio_api/mcp/schema").json()
    before = next(tool["name"] for tool in tools if tool["name"].endswith("launch")).removesuffix("launch")
    assert sorted(tool["name"].removeprefix(before) for tool in tools) == sorted(ENDPOINTS)
