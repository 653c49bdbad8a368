"""Vectors of titles that have been read: the mean of a title's contextual states, whitened.

A bag of word embeddings knows no order and no sense; states of a lower block do (LLM2Rec, arXiv 2506.21579). Whitening
makes them comparable: states of a language model lie in a narrow cone, and a few directions outweigh all others.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engine.errors import StudioError
from engine.llm.backbone import Backbone
from engine.paths import home
from engine.training import write_atomically
from engine.transfer import to_device

DEPTH = 0.27
"""How far up the states are taken, as a share of the blocks: the 8th of SmolLM2's 30."""
WIDTH = 256
"""Directions that are kept, at most."""
TOKENS_AT_ONCE = 8192
FORMAT = 2
"""Of files; another one, or another depth or width, has vectors read anew."""
MOST_KEPT = 16
"""Files that are kept: those used last were written last."""


@dataclass(frozen=True)
class TitleVectors:
    """How titles of one catalogue are measured; titles of one's own get vectors by the same measure.

    Args:
        mean: float32 ``[width]`` of the catalogue's mean states.
        projection: float32 ``[width, k]`` onto its main directions, each scaled to variance one.
    """

    mean: Tensor
    projection: Tensor

    @classmethod
    def of(cls, backbone: Backbone, titles: Sequence[str]) -> tuple[TitleVectors, Tensor]:
        """The reader of a catalogue with these titles, and their vectors: float32 ``[titles, k]``.

        In whatever order they stand, the same titles get the same vectors: signs of directions are anybody's choice.
        """
        order = sorted(range(len(titles)), key=titles.__getitem__)
        states = mean_states(backbone, [titles[row] for row in order])
        mean = states.mean(dim=0)
        _, scales, directions = torch.linalg.svd((states - mean).double(), full_matrices=False)
        scales = scales / max(len(states) - 1, 1) ** 0.5
        kept = int((scales > scales[0] * 1e-4).sum().clamp(max=WIDTH)) if len(states) > 1 else 0
        projection = (directions[:kept].T / scales[:kept]).to(states)
        reader = cls(mean, projection)
        vectors = torch.empty(len(titles), kept).to(states)
        vectors[order] = reader.whitened(states)
        return reader, vectors

    def whitened(self, states: Tensor) -> Tensor:
        """float32 ``[n, k]`` of mean states ``[n, width]``."""
        return (states - self.mean) @ self.projection


_READ: WeakKeyDictionary[Backbone, dict[tuple[str, ...], tuple[TitleVectors, Tensor]]] = WeakKeyDictionary()


def title_vectors(backbone: Backbone, titles: tuple[str, ...], n_known: int) -> Tensor:
    """float32 ``[titles, k]``: the first ``n_known`` are the catalogue's, by which all are measured. Read once.

    Shape ``[titles, 0]`` where fewer than two titles are known.
    """
    catalogue, own = titles[:n_known], titles[n_known:]
    read = _READ.setdefault(backbone, {})
    if catalogue not in read:
        read[catalogue] = _kept(backbone, catalogue)
    reader, vectors = read[catalogue]
    return torch.cat([vectors, reader.whitened(mean_states(backbone, own))]) if own else vectors


def _kept(backbone: Backbone, catalogue: tuple[str, ...]) -> tuple[TitleVectors, Tensor]:
    """Of this model and catalogue as they were read before, in the data folder, or read now and kept there."""
    if backbone.record is None:
        return TitleVectors.of(backbone, catalogue)
    prints = backbone.title_encoder.prints if backbone.title_encoder else backbone.record.prints
    key = json.dumps([FORMAT, DEPTH, WIDTH, backbone.record.dtype, *prints.items(), *catalogue])
    path = home() / "cache" / "title-vectors" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
    try:
        kept = load_file(path, device=str(backbone.device))
        return TitleVectors(kept["mean"], kept["projection"]), kept["vectors"]
    except (OSError, SafetensorError, KeyError):
        reader, vectors = TitleVectors.of(backbone, catalogue)
    with contextlib.suppress(StudioError, OSError):  # read again next time, then
        write_atomically({"mean": reader.mean, "projection": reader.projection, "vectors": vectors}, path)
        newest_first = sorted(path.parent.glob("*.safetensors"), key=lambda it: -it.stat().st_mtime)
        for old in newest_first[MOST_KEPT:]:
            old.unlink(missing_ok=True)
    return reader, vectors


@torch.no_grad()
def mean_states(backbone: Backbone, titles: Sequence[str]) -> Tensor:
    """float32 ``[titles, width]``: the mean over each title's tokens of the base weights' states, behind the opening.

    Titles of one length run together, so that nothing is padded. Where an encoder reads titles, its own means.
    """
    if backbone.title_encoder is not None:
        return backbone.title_encoder.read(titles).to(backbone.device)
    opening = backbone.encoder.frame.before[:1]
    tokens = backbone.encoder.all_tokens([f" {title}" for title in titles])
    by_length: dict[int, list[int]] = {}
    for row, ids in enumerate(tokens):
        by_length.setdefault(len(ids), []).append(row)
    means = torch.zeros(len(titles), backbone.width, device=backbone.device)
    with backbone.without_adapter():
        for length, rows in sorted(by_length.items()):
            for part in torch.tensor(rows).split(max(1, TOKENS_AT_ONCE // (length + len(opening)))):
                texts = to_device([[*opening, *tokens[row]] for row in part.tolist()], backbone.device)
                states = backbone.lower_states(backbone.embed_tokens(texts), DEPTH)
                means[part.to(means.device)] = states[:, len(opening) :].float().mean(dim=1)
    return means.clone()
