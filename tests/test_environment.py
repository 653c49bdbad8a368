"""What is told of the machine and the packages."""

from __future__ import annotations

from importlib import metadata

import pytest

from engine.architectures import ARCHITECTURES
from engine.backbones import BACKBONES
from engine.environment import environment, modules_behind
from engine.stage_cache import CODE
from engine.verbalizers import VERBALIZERS


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


def test_the_code_of_a_stage_is_what_it_imports_and_what_registers_name() -> None:
    """... and no more: a change of stage 2 leaves teachers as they are."""
    code = {stage: modules_behind(CODE[stage]).keys() for stage in ("teacher", "distil", "finetune")}
    places = [it.verbalizer for it in VERBALIZERS.values()] + [it.backbone for it in BACKBONES.values()]
    asked = {place.partition(":")[0] for place in places}
    assert asked <= code["distil"] & code["finetune"]
    assert {it.network.partition(":")[0] for it in ARCHITECTURES.values()} <= code["teacher"]
    assert "engine.finetune.stage" in code["finetune"] - code["teacher"]
    assert not asked & code["teacher"]
