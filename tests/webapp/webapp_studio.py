"""What browser tests know about the app they look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gradio as gr

from webapp.access import Access
from webapp.app import build_pages


@dataclass(frozen=True)
class Studio:
    """A running app and its data folder."""

    url: str
    home: Path


@cache
def pages(access: Access | None = None) -> gr.Blocks:
    """All pages, drawn once for tests that call their handlers or look at how they are wired."""
    return build_pages(access or Access())
