"""A trained network as a ranker, and its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from engine.config import TeacherConfig, TeacherName
from engine.devices import choose_device
from engine.errors import StudioError
from engine.ranking import History
from engine.teachers.base import BATCH, CatalogueScorer
from engine.teachers.caser import Caser
from engine.teachers.gru4rec import GRU4Rec
from engine.teachers.network import Network
from engine.teachers.sasrec import SASRec
from engine.training import write_atomically

NETWORKS: dict[TeacherName, type[Network]] = {"sasrec": SASRec, "gru4rec": GRU4Rec, "caser": Caser}
"""Every neural teacher by its name in the settings."""

FORMAT = 1
SHAPE = {"name", "max_length", "width", "layers", "heads", "filters"}
"""Settings without which the weights cannot be read."""


class Validated(NamedTuple):
    """How well a teacher does on the users that validated it, beside popularity on the same users."""

    ndcg: float
    """NDCG@10 on the full catalogue."""
    popularity: float

    @property
    def useless(self) -> bool:
        """Whether it knows nothing that counting does not."""
        return self.ndcg <= self.popularity


class Teacher(CatalogueScorer):
    """A SASRec, GRU4Rec or Caser that ranks; scores are log-probabilities of the next item over the catalogue."""

    validated: Validated | None = None
    """None while it is untrained, and in files of earlier versions."""

    def __init__(self, n_items: int, config: TeacherConfig) -> None:
        """Untrained, on the processor; weights are drawn from PyTorch's global generator."""
        self.name = config.name
        self.n_items = n_items
        self.config = config
        self.network = NETWORKS[config.name](n_items, config)

    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, n_items]`` log-probabilities; a user's row does not depend on the other users."""
        scores = np.empty((len(histories), self.n_items), dtype=np.float32)
        sequences = [self._sequence(history) for history in histories]
        by_length = sorted(range(len(sequences)), key=lambda user: len(sequences[user]))
        was_training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            for begin in range(0, len(by_length), BATCH):
                users = by_length[begin : begin + BATCH]
                batch = torch.nn.utils.rnn.pad_sequence([sequences[user] for user in users], batch_first=True)
                last = torch.tensor([len(sequences[user]) - 1 for user in users], device=self.device)
                states = self.network(batch.to(self.device))[torch.arange(len(users), device=self.device), last]
                scores[users] = self.network.logits(states).log_softmax(dim=1).cpu().numpy()
        self.network.train(was_training)
        return scores

    @torch.no_grad()
    def window_logprobs(self, inputs: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """What it expects at every place of training windows, for models that learn from it.

        Args:
            inputs: int64 ``[B, L]``, the start id first, then at most ``max_length`` items.
            real: bool ``[B, L]``: False where there is padding.

        Returns:
            float32 ``[real places, n_items]`` log-probabilities, window after window, on the teacher's device.
        """
        states = self.network(inputs.to(self.device))[real.to(self.device)]
        logprobs: torch.Tensor = self.network.logits(states).log_softmax(dim=1)
        return logprobs

    @property
    def device(self) -> torch.device:
        return self.network.items.weight.device

    def place(self, setting: str) -> Teacher:
        """Moved to where ``teacher.device`` says.

        Raises:
            StudioError: this machine has no such device.
        """
        self.network.to(choose_device(setting, "teacher.device", ("cuda", "cpu")))
        return self

    def save(self, path: Path) -> None:
        """Write weights and shape as safetensors, all or nothing.

        Raises:
            StudioError: the file cannot be written.
        """
        metadata = {
            "format": str(FORMAT),
            "n_items": str(self.n_items),
            "settings": json.dumps(self.config.model_dump(include=SHAPE)),
        }
        if self.validated is not None:
            metadata["validated"] = json.dumps(self.validated)
        write_atomically(self.network.state_dict(), path, metadata)

    def _sequence(self, history: History) -> torch.Tensor:
        recent = self.known(history)[-self.config.max_length :]
        return torch.from_numpy(np.concatenate([[self.network.start], recent]))


def load_teacher(path: Path, expected_items: int, device: str = "cpu") -> Teacher:
    """Read a teacher saved by :meth:`Teacher.save`; ``device`` as ``teacher.device``.

    Raises:
        StudioError: the file is missing, damaged or of a newer format, or belongs to another catalogue.
    """
    where = str(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        version, n_items = int(metadata["format"]), int(metadata["n_items"])
        if version > FORMAT:
            raise StudioError(
                f"teacher file has format {version}", where=where, remedy="update DELRec Studio to read it"
            )
        if n_items != expected_items:
            fault = f"the teacher knows {n_items} items, the catalogue has {expected_items}"
            raise StudioError(fault, where=where, remedy="use the data set that the teacher was trained on")
        teacher = Teacher(n_items, TeacherConfig.model_validate_json(metadata["settings"]))
        teacher.network.load_state_dict(tensors)
        if "validated" in metadata:
            teacher.validated = Validated(*json.loads(metadata["validated"]))
    except FileNotFoundError:
        raise StudioError("no teacher here", where=where, remedy="train it by running or resuming the run") from None
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, ValidationError):
        raise StudioError("the teacher's file is damaged", where=where, remedy="delete it and resume the run") from None
    teacher.network.eval()
    return teacher.place(device)
