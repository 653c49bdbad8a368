"""What is told of the machine and the packages."""

from __future__ import annotations

from importlib import metadata

import pytest

from engine.environment import environment


def test_packages_that_a_library_can_do_without_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def installed(name: str) -> str:
        if name in ("gradio", "delrec-studio"):
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", installed)
    found = environment()
    assert found["delrec_studio"] is None
    assert "gradio" not in found["packages"]
    assert found["packages"]["torch"] == version("torch")
