"""What a run's answers depend on beside its settings, kept with the run: the prompts' frame, number format, the model.

A chat template may write the day's date, ``llm.dtype=auto`` measures the machine, and a folder's files can change: a
run that is resumed or asked later must not notice the first two, and must not be answered by another model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import StudioError
from engine.llm.backbone import Backbone
from engine.llm.chat_template import ChatFrame
from engine.whole_files import write_text

SAMPLE = (
    "Predict the next movie a user watches.\nWatched, oldest first: Am\u00e9lie (2001);  Ame\u0301lie; SE7EN, 12"
    " Monkeys & M*A*S*H;\n\n\tÆon Flux — “Ran” 乱; it's Rock'n'roll_2.0; Война и мир; שלום; ﬁ ½ Ⅷ; 🎬 </s> <|im_end|>"
)
"""Read by a tokenizer, it shows the rules by which it takes texts apart."""
NUMBERS = 64
"""Of each weight, evenly spaced, are looked at."""


@dataclass(frozen=True)
class BackboneFingerprint:
    """Of the language model of one run.

    ``prints``: fingerprints of its parts, by what they are called in messages.
    """

    dtype: str
    frame: ChatFrame
    prints: Mapping[str, str]

    @classmethod
    def of(cls, backbone: Backbone) -> BackboneFingerprint:
        """The record of a backbone as it was loaded, no adapter attached."""
        return cls(
            str(backbone.dtype).removeprefix("torch."),
            backbone.encoder.frame,
            _prints_of_tokenizer(backbone.tokenizer)
            | {"weights": print_of_weights(_weights(backbone.model))}
            | (backbone.title_encoder.prints if backbone.title_encoder else {}),
        )

    @classmethod
    def read(cls, path: Path) -> BackboneFingerprint | None:
        """What :meth:`write` wrote; ``None`` where nothing is: earlier versions kept no record.

        Raises:
            StudioError: the file is damaged.
        """
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            frame = ChatFrame(**{part: tuple(map(int, ids)) for part, ids in kept["frame"].items()})
            return cls(str(kept["dtype"]), frame, {str(part): str(own) for part, own in kept["prints"].items()})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise StudioError(
                "the record of the run's language model is damaged", where=str(path), remedy="restore it"
            ) from None

    def write(self, path: Path) -> None:
        write_text(path, json.dumps(asdict(self), indent=1))

    def check(self, other: BackboneFingerprint, name: str) -> None:
        """Raises StudioError where parts of the model called ``name``, recorded now, differ from the earlier ones."""
        if changed := [part for part, own in other.prints.items() if self.prints.get(part, own) != own]:
            raise StudioError(
                f"{name} is not the model with which the run was made: other {' and other '.join(changed)}",
                where="llm.name",
                remedy="put its files of that time back, or start a new run",
            )


def _prints_of_tokenizer(tokenizer: Any) -> dict[str, str]:
    """Fingerprints of what a tokenizer does: its files may be written otherwise, and libraries read them anew."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    model = json.loads(backend.to_str())["model"] if backend is not None else {"vocab": tokenizer.get_vocab()}
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model.get("merges", ())]
    parts = [model["vocab"], merges, tokenizer.get_added_vocab(), tokenizer(SAMPLE).input_ids]
    return {
        "tokenizer": _print(parts),
        "special tokens": _print({name: str(token) for name, token in tokenizer.special_tokens_map.items()}),
        "chat template": _print(tokenizer.chat_template),
    }


def _weights(model: nn.Module) -> Iterator[Tensor]:
    """Parameters, each once, and what else of the model files change: buffers that are kept in them."""
    yield from model.parameters()
    kept = model.state_dict().keys()
    yield from (buffer for name, buffer in model.named_buffers() if name in kept)


def print_of_weights(tensors: Iterable[Tensor]) -> str:
    """A fingerprint of weights by a few numbers of each, whatever its name."""
    prints = []
    for tensor in tensors:
        numbers = tensor.detach().flatten()[:: max(1, tensor.numel() // NUMBERS)].to("cpu", torch.float32)
        prints.append(_print([list(tensor.shape), numbers.tolist()]))
    return _print(sorted(prints))


def _print(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
