"""Those endpoints of the machine interface (:mod:`webapp.endpoints`) that are about data sets."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.data.listing import listed, listing
from engine.settings import load_config
from jobs import data_work
from webapp.access import Access
from webapp.data_descriptions import describe
from webapp.previews import require_preview


class DataEndpoints:
    """One method each."""

    def __init__(self, access: Access) -> None:
        self.access = access

    def data_sets(self) -> list[dict[str, Any]]:
        """Every data set: name, what it is, terms, state, and how it comes here; `imported` ones can be changed."""
        return [row.json() for row in listing()]

    def data_set(self, request: gr.Request, name: str) -> dict[str, Any]:
        """What a data set holds after cleaning, as `delrec data describe --json` writes it; read where it is not known.

        Args:
            name: a name of `data_sets` that is here.
        """
        config = load_config(overrides=[f"data.dataset={name}"])
        require_preview(self.access, config, request)
        found = next(update for update in describe(config.data) if not isinstance(update, str))
        return dict(found["description"])

    def rename_data_set(self, request: gr.Request, name: str, new: str) -> dict[str, Any]:
        """Give an imported data set another name; runs find it under the one they know. Returns it as `data_sets` does.

        Args:
            name: an imported one.
            new: letters, digits, points and dashes.
        """
        self.access.require_change(request)
        data_work.rename(name, new)
        return listed(new).json()

    def delete_data_set(self, request: gr.Request, name: str) -> list[str]:
        """Delete an imported data set. Returns the names of the runs on it, which can no longer be asked or resumed.

        Args:
            name: an imported one.
        """
        self.access.require_change(request)
        made = data_work.runs_to_lose(name)
        data_work.delete(name)
        return [run.name for run in made]
