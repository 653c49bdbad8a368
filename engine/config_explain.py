"""Settings of how explanations are written."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from engine.config_base import Section
from engine.config_base import setting as _field


class ExplainConfig(Section):
    """Who writes the sentences beside a recommendation, besides the run's own language model."""

    writer_url: str = _field("", advanced=True)
    """Base address of an OpenAI-compatible endpoint (Ollama, vLLM, llama.cpp, transformers serve), as in
    http://localhost:11434/v1. Only on demand, then titles and measurements are sent there. Its key, where it needs one,
    is read from DELREC_WRITER_KEY."""
    writer_model: str = _field("", advanced=True)
    """The model there that writes. What it writes is checked as the run's own words are."""

    @field_validator("writer_url")
    @classmethod
    def _address(cls, url: str) -> str:
        if not url:
            return url
        try:
            parts = urlsplit(url)
            usable = (
                parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            )
        except ValueError:
            usable = False
        if not usable or not url.isprintable() or " " in url:
            raise ValueError("explain.writer_url must be an address as in http://localhost:11434/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("explain.writer_url is stored with the run: give the key by DELREC_WRITER_KEY instead")
        if parts.query or parts.fragment:
            raise ValueError("explain.writer_url must be a base address, without ? and #")
        return url

    @model_validator(mode="after")
    def _together(self) -> Self:
        if bool(self.writer_url) != bool(self.writer_model):
            raise ValueError("explain.writer_url and explain.writer_model go together")
        return self
