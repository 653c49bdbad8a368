"""The container and the units name commands, options, variables and files that there are."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from webapp.cli import delrec

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
PACKAGES = ("engine", "db", "jobs", "webapp")
UNITS = sorted(DEPLOY.glob("*.service"))


def _values(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def _commands() -> list[list[str]]:
    of_units = [shlex.split(command)[1:] for unit in UNITS for command in _values(unit, "ExecStart")]
    return of_units + [COMPOSE["services"][name]["command"] for name in ("app", "worker")]


@pytest.mark.parametrize("arguments", _commands(), ids=" ".join)
def test_what_is_started_can_be(arguments: list[str]) -> None:
    context = click.Context(delrec)
    command = delrec.get_command(context, arguments[0])
    assert command is not None
    command.make_context(arguments[0], arguments[1:], parent=context)  # raises for options that there are not


def test_variables_are_those_of_the_code() -> None:
    pattern = re.compile(r"\bDELREC_[A-Z_]+\b")
    code = {
        name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in pattern.findall(path.read_text())
    }
    named = {name for path in DEPLOY.iterdir() for name in pattern.findall(path.read_text())}
    assert named - code == {"DELREC_PORT"}  # compose's own


def test_the_image_has_all_packages_and_only_what_may_be_copied() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE) for name in line.split()}
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {package.rstrip("*") for package in found} <= copied
    assert all((ROOT / name).exists() for name in copied)
    shown = set(re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert shown == copied


def test_services_find_each_other() -> None:
    services = COMPOSE["services"]
    for name in ("app", "worker"):
        own = services[name]
        assert set(own["depends_on"]) == {"postgres", "redis"}
        assert own["volumes"] == ["data:/data"]
        assert "@postgres/" in own["environment"]["DELREC_DATABASE_URL"]
        assert "//redis:" in own["environment"]["DELREC_QUEUE_URL"]
        port = own["ports"][0].rpartition(":")[2] if name == "app" else own["expose"][0]
        assert f"127.0.0.1:{port}/healthz" in own["healthcheck"]["test"][-1]
    assert services["worker"]["environment"]["DELREC_WORKER_ADDRESS"].endswith(services["worker"]["expose"][0])
