"""What the environment says of connections: a setting that cannot be used is named in one line, others are accepted."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from engine import network, paths
from engine.errors import StudioError

NAMES = [written for name in (*network.PROXIES, *network.CERTIFICATES) for written in (name, name.lower())]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALL_PROXY", "socks5://localhost:1080", "pip install socksio"),
        ("all_proxy", "socks5h://localhost:1080", "pip install socksio"),
        ("ALL_PROXY", "socks4://localhost:1080", "Unknown scheme"),
        ("https_proxy", "gopher://proxy", "Unknown scheme"),
        ("HTTP_PROXY", "http://[::1", "Invalid port"),
        ("NO_PROXY", "localhost,::1/128", "Invalid port"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "No such file"),
        ("SSL_CERT_FILE", "/", "Is a directory"),
        ("SSL_CERT_FILE", "/dev/null", "no certificate"),
    ],
)
def test_what_lets_no_connection_be_made_is_named(monkeypatch: pytest.MonkeyPatch, name, value, said) -> None:
    if "socksio" in said:
        monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, value)
    with pytest.raises(StudioError) as told:
        network.check()
    assert said in str(told.value)
    assert told.value.where == f"{name}={value}"


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "localhost:3128"), ("http_proxy", "http://u:p@proxy:8080"), ("NO_PROXY", "*"), ("ALL_PROXY", "")],
)
def test_what_can_be_used_is_accepted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    network.check()


def test_a_proxy_s_password_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy:port")
    with pytest.raises(StudioError) as told:
        network.check()
    assert "secret" not in str(told.value)
    assert "HTTPS_PROXY=http://…@proxy:port" in str(told.value)


def test_where_no_temporary_folder_can_be_used_the_data_folder_has_one(
    monkeypatch: pytest.MonkeyPatch, delrec_home: Path
) -> None:
    usual = tempfile.gettempdir()
    paths.temporary_folder()
    assert tempfile.gettempdir() == usual
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc"])
    monkeypatch.setenv("TMPDIR", "/proc")
    paths.temporary_folder()
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(delrec_home / "tmp")
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
