"""The optional MCP server, asked by a real MCP client: the same actions, the same words, the same limits."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from changes import CHANGING
from mcp_client import call_tools
from webapp_studio import served_here

from engine.settings import load_config
from jobs import api
from webapp.access import Access

ADDRESS = "/gradio_api/mcp/"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "launch": {"preset": "smoke", "settings": ["finetune.steps=12"], "name": "By an assistant"},
    "runs": {},
    "status": {"run": "Known"},
    "metrics": {"run": "Known", "after": 0},
    "results": {"run": "Known"},
    "cancel": {"run": "Known"},
    "resume": {"run": "Known"},
    "experiments": {},
    "experiment": {"plan": "{preset: smoke, seeds: 0-1}", "dry_run": True},
    "tune": {"plan": "{preset: smoke, vary: {finetune.lr: 1e-4..1e-2}}", "dry_run": True},
    "lead_experiment": {"experiment": "none", "action": "pause"},
    "recommend": {"run": "Known", "titles": ["Heat"]},
    "data_sets": {},
    "data_set": {"name": "synthetic"},
    "rename_data_set": {"name": "mine", "new": "yours"},
    "delete_data_set": {"name": "mine"},
}


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Access], str]]:
    """Serves the app with MCP in a thread, without a worker; returns its address."""
    monkeypatch.setenv("DELREC_MCP", "1")
    with ExitStack() as running:
        yield lambda access: running.enter_context(served_here(access))


def test_a_run_is_launched_found_cancelled_and_resumed(serve: Callable[[Access], str]) -> None:
    run = {"run": "By an assistant"}
    calls = [("launch", ARGUMENTS["launch"]), ("runs", {}), ("cancel", run), ("resume", run), ("metrics", run)]
    answers = call_tools(serve(Access()) + ADDRESS, *calls)
    assert [failed for failed, _ in answers] == [False] * len(calls)
    (known,) = api.runs()
    assert (known.name, known.state, known.config["finetune"]["steps"]) == ("By an assistant", "queued", 12)
    told = [ast.literal_eval(text) for _, text in answers]
    assert (told[0]["id"], told[0]["state"], told[0]["position"]) == (known.id, "queued", 1)
    assert [found["id"] for found in told[1]] == [known.id]
    assert (told[2]["state"], told[3]["state"], told[4]) == ("cancelled", "queued", [])


def test_an_experiment_and_a_search_are_told_as_in_a_file(serve: Callable[[Access], str]) -> None:
    plan = '{preset: smoke, vary: {teacher.name: [sasrec, gru4rec]}, seeds: 0-1, name: both, question: "Which?"}'
    search = "{preset: smoke, vary: {finetune.lr: 1e-4..1e-2}, trials: 7, name: lr}"
    dry, made, sought, clash = call_tools(
        serve(Access()) + ADDRESS,
        ("experiment", {"plan": plan, "dry_run": True}),
        ("experiment", {"plan": plan}),
        ("tune", {"plan": search}),
        ("experiment", {"plan": plan, "seeds": "0"}),
    )
    assert ast.literal_eval(dry[1])["size"] == 4
    told = ast.literal_eval(made[1])
    assert (told["name"], told["question"], len(told["runs"])) == ("both", "Which?", 4)
    assert (ast.literal_eval(sought[1])["name"], ast.literal_eval(sought[1])["trials"]) == ("lr", 7)
    assert clash[0]
    assert "seeds does not go with plan" in clash[1]


def test_faults_are_told_in_a_sentence(serve: Callable[[Access], str]) -> None:
    unknown = {"run": "../../etc/passwd"}
    calls = [("status", unknown), ("launch", {"preset": "nonsense"}), ("recommend", ARGUMENTS["recommend"])]
    words = ["no run '../../etc/passwd'", "unknown preset 'nonsense'", "no worker is there to answer"]
    for (failed, text), expected in zip(call_tools(serve(Access()) + ADDRESS, *calls), words, strict=True):
        assert failed
        assert expected in text
        assert "Traceback" not in text


@pytest.mark.parametrize(("access", "query"), [(Access(read_only=True), ""), (Access(), "?demo=1")])
def test_who_only_looks_changes_nothing_here_either(serve: Callable[[Access], str], access: Access, query: str) -> None:
    waiting = api.launch(load_config("smoke"), "smoke", "Known")
    before = api.status(waiting)
    answers = call_tools(serve(access) + ADDRESS + query, *ARGUMENTS.items())
    for name, (failed, text) in zip(ARGUMENTS, answers, strict=True):
        assert ("this view is read-only" in text) == (name in CHANGING), name
        assert failed == (name in CHANGING or name in ("results", "recommend")), name
    assert api.runs() == [before]


def test_without_the_password_no_tool_is_reached(serve: Callable[[Access], str]) -> None:
    with pytest.raises(BaseExceptionGroup) as refused:
        call_tools(serve(Access(password="open sesame")) + ADDRESS)
    assert "401" in repr(refused.value.exceptions)


def test_whoever_has_logged_in_reaches_every_tool(serve: Callable[[Access], str]) -> None:
    address = serve(Access(password="open sesame"))
    cookies = httpx.post(f"{address}/login", data={"password": "open sesame"}).cookies
    answers = call_tools(address + ADDRESS, *ARGUMENTS.items(), cookies=cookies)
    for name, (_, text) in zip(ARGUMENTS, answers, strict=True):
        assert "log in first" not in text, name
    assert "no worker is there to answer" in dict(zip(ARGUMENTS, answers, strict=True))["recommend"][1]
