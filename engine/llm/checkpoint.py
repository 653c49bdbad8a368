"""A model's folder in Hugging Face's format: what kind of model it holds, its tokenizer, and all of its weights."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging

from engine.backbones import BACKBONES
from engine.errors import StudioError, first_line
from engine.locations import model_facts
from engine.monitor import Monitor

TYPES = {name: kind for kind, held in BACKBONES.items() for name in held.types}
"""Kinds of models by what their configurations call them; what is not named and writes is causal."""
UNBOUNDED_CONTEXT = 2048
"""Where positions are relative and set no limit, this one keeps memory within bounds."""
LARGEST_CONTEXT = 10**6
"""A tokenizer without a limit tells a number far above."""
POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
ADAPTER = "adapter_config.json"
WHOLE, SHARDS = "model.safetensors", "model.safetensors.index.json"
FLOATS = ("F64", "F32", "F16", "BF16")
"""Number formats of weights that are what they say."""
NAMED = 3
"""Weights that a message names."""


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a model before its weights are read."""

    folder: Path
    name: str
    family: str
    """Its kind, by name in :data:`engine.backbones.BACKBONES`."""
    tokenizer: Any
    context: int
    """Most tokens of a prompt."""
    rows: int
    """Of the input embeddings."""


def open_checkpoint(folder: Path, name: str) -> Checkpoint:
    """The model called ``name``, without its weights.

    Raises:
        StudioError: no model, one of another kind than the engine asks, or only an adapter.
    """
    with _reading(folder):
        if (folder / ADAPTER).is_file() and not (folder / "config.json").is_file():
            raise StudioError(
                f"{name} holds only an adapter{_adapted(folder)}, no language model",
                where=str(folder),
                remedy="name the folder of the model itself, or merge the two (PEFT: merge_and_unload) and save that",
            )
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        family = _family(config, name)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if BACKBONES[family].encoder_decoder and config.decoder_start_token_id is None:
            raise StudioError(
                f"{name} does not say with which token its answers begin",
                where=str(folder / "config.json"),
                remedy="set decoder_start_token_id there; for T5 it is the padding token, 0",
            )
        text = config.get_text_config(decoder=True)
        return Checkpoint(folder, name, family, tokenizer, _context(family, text, tokenizer), int(text.vocab_size))


def read_weights(
    checkpoint: Checkpoint, dtype: torch.dtype, monitor: Monitor, quantized: Mapping[str, Any] | None = None
) -> Any:
    """The model, with nothing in it that does not come from its files.

    Args:
        quantized: as of :func:`engine.quantization.settings`.

    Raises:
        StudioError: weights are missing, have other shapes, or have no place in the model.
    """
    folder = checkpoint.folder
    if (folder / ADAPTER).is_file():
        monitor.message(
            f"{folder} also holds an adapter{_adapted(folder)}, which is not used;"
            " merge the two (PEFT: merge_and_unload) and name the merged model to use it"
        )
    maker = AutoModelForSeq2SeqLM if BACKBONES[checkpoint.family].encoder_decoder else AutoModelForCausalLM
    with _reading(folder), without_report():
        model, found = maker.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below
            adapter_kwargs={"subfolder": "none"},  # the library would attach the adapter
            **(quantized or {}),
        )
        refuse_incomplete(model, found, folder)
        _refuse_meaningless(model, folder)
    if (folder / WHOLE).is_file() and (folder / SHARDS).is_file():
        monitor.message(f"{folder} also holds weights in parts ({SHARDS}), which are not used; {WHOLE} is")
    if unused := _listed(found["unexpected_keys"]):
        monitor.message(f"{folder} holds weights that have no place in this model and are not used: {unused}")
    return model


def refuse_incomplete(model: Any, found: dict[str, Any], folder: Path) -> None:
    """Raises StudioError where Transformers did not find all of a model; it would fill the rest at random.

    Args:
        found: its ``loading_info``.
    """
    left = set(found["unexpected_keys"])
    # T5 is tied whatever its configuration says, unless its files hold both.
    untied = model_facts(folder).get("tie_word_embeddings") is False
    ins, outs = model.get_input_embeddings(), model.get_output_embeddings()
    missing = set(found["missing_keys"])
    if untied and outs is not None and outs.weight is ins.weight:
        missing |= {name for name, module in model.named_modules() if module is outs}
    if found["mismatched_keys"]:
        key, there, expected = sorted(found["mismatched_keys"])[0]
        count = len(found["mismatched_keys"])
        fault = f"{count} of this model's weights have other shapes than its config.json says, first {key}:"
        fault += f" {tuple(there)} instead of {tuple(expected)}"
    elif missing:
        fault = f"weights of this model are missing from its files: {_listed(missing)}"
        fault += f"; without a place in the model are {_listed(left)}" if left else ""
    elif partial := _listed(key for key in left if _belongs(model, key)):
        fault = f"this model's config.json leaves no place for weights of its layers: {partial}"
    else:
        return
    raise StudioError(
        fault,
        where=str(folder),
        remedy="take a whole checkpoint of a model with its output layer, as save_pretrained writes it",
    )


def _refuse_meaningless(model: Any, folder: Path) -> None:
    """Raises StudioError for weights that are all there and say nothing, as a broken copy or conversion leaves them."""
    remedy = "copy or download the checkpoint again, or take another"
    if broken := _listed(name for name, weight in model.named_parameters() if not weight.isfinite().all()):
        what = f"weights of this model are no numbers: {broken}"
        raise StudioError(what, where=str(folder), remedy=f"try llm.dtype=float32; if that does not help, {remedy}")
    embeddings = model.get_input_embeddings().weight.detach()
    if embeddings.min() == embeddings.max():
        what = f"all embeddings of this model are {float(embeddings.min()):g}, so that it cannot tell words apart"
        raise StudioError(what, where=str(folder), remedy=remedy)
    if model_facts(folder).get("quantization_config") is None and (coded := _listed(_coded(model, folder))):
        raise StudioError(
            f"weights of this model are stored as codes, and no quantization_config says what they stand for: {coded}",
            where=str(folder),
            remedy="take the checkpoint before quantization, as float32, float16 or bfloat16",
        )


def _coded(model: Any, folder: Path) -> Iterator[str]:
    """Weights that the files hold as whole numbers or in eight bits, though the model calculates with them."""
    names = {name for name, weight in model.named_parameters() if weight.is_floating_point()}
    names |= {name.removeprefix(f"{model.base_model_prefix}.") for name in names}
    files = [folder / WHOLE] if (folder / WHOLE).is_file() else sorted(folder.glob("*.safetensors"))
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 - it is no mapping
                if key in names and tensors.get_slice(key).get_dtype() not in FLOATS:
                    yield key


def _family(config: Any, name: str) -> str:
    if config.model_type in TYPES:
        return TYPES[config.model_type]
    reads_both_ways = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", True)
    writes = config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not config.is_encoder_decoder
    if not writes or reads_both_ways:
        raise StudioError(
            f"{name} is a {config.model_type!r} model, which is not supported",
            where="llm.name",
            remedy=f"use a model that writes from left to right (Llama, Qwen, Gemma, GPT, …), or {', '.join(TYPES)}",
        )
    return "causal"


def _context(family: str, config: Any, tokenizer: Any) -> int:
    if BACKBONES[family].unbounded:
        return UNBOUNDED_CONTEXT
    known = (getattr(config, name, None) for name in POSITIONS)
    limit = next((size for size in known if isinstance(size, int) and size > 0), tokenizer.model_max_length)
    return int(limit) if limit <= LARGEST_CONTEXT else UNBOUNDED_CONTEXT


def _belongs(model: nn.Module, key: str) -> bool:
    """Whether a weight without a place would go to a layer that the model has, such as a bias."""
    owner = dict(model.named_modules()).get(key.rpartition(".")[0])
    return owner is not None and next(owner.parameters(recurse=False), None) is not None


def _adapted(folder: Path) -> str:
    """For which model an adapter was made, in brackets, where its file says so."""
    try:
        made_for = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f" (made for {made_for})" if made_for else ""


def _listed(names: Iterable[str]) -> str:
    """The first of ``names`` and how many more there are; empty for none."""
    every = sorted(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


@contextlib.contextmanager
def without_report() -> Iterator[None]:
    """The library prints a table of what it did not find; it is told in one line instead."""
    logger = logging.get_logger("transformers.modeling_utils")

    def quiet(_: object) -> bool:
        return False

    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Whatever goes wrong inside is told in one line."""
    logging.disable_progress_bar()
    try:
        yield
    except StudioError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors each have errors of their own
        raise StudioError(
            f"cannot read a language model: {first_line(error)}",
            where=str(folder),
            remedy="the folder needs config.json, a tokenizer and weights as safetensors",
        ) from None
