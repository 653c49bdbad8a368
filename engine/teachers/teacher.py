"""A trained network as a ranker, and its file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.config import TeacherConfig
from engine.devices import choose_device
from engine.errors import StudioError
from engine.labels import plural
from engine.ranking import History
from engine.teachers.base import BATCH, CatalogueScorer
from engine.teachers.network import network_class
from engine.training import Tensors, write_atomically
from engine.transfer import to_device

FORMAT = 2
"""Since 2 an architecture's own settings are a section."""
SHAPE = ("name", "max_length", "width", "layers", "heads")
"""Shared settings without which the weights cannot be read; the architecture's own are kept too."""


class Validated(NamedTuple):
    """How well a teacher does on the users that validated it, beside popularity on the same users."""

    ndcg: float
    """NDCG@10 on the full catalogue."""
    popularity: float

    @property
    def useless(self) -> bool:
        """Whether it knows nothing that counting does not."""
        return self.ndcg <= self.popularity


T = TypeVar("T", bound="Teacher")


class Teacher(CatalogueScorer):
    """A network of any architecture that ranks; scores are log-probabilities of the next item over the catalogue."""

    validated: Validated | None = None
    """None while it is untrained, and in files of earlier versions."""

    def __init__(self, n_items: int, config: TeacherConfig) -> None:
        """Untrained, on the processor; weights are drawn from PyTorch's global generator."""
        self.name = config.name
        self.n_items = n_items
        self.config = config
        self.network = network_class(config.name)(n_items, config)

    @torch.no_grad()
    def catalogue_scores(self, histories: Sequence[History]) -> np.ndarray:
        """float32 ``[users, n_items]`` log-probabilities; a user's row does not depend on the other users."""
        scores = np.empty((len(histories), self.n_items), dtype=np.float32)
        for users, states, ends in self._states([self._recent(self.known(history)) for history in histories]):
            last = states[torch.arange(len(users)), ends]
            scores[users] = self.network.logprobs(last).cpu().numpy()
        return scores

    @torch.no_grad()
    def prefix_scores(self, histories: Sequence[History]) -> Tensor:
        """float32 ``[sum(n + 1), n_items]`` log-probabilities behind each history's first 0, 1, … and all n items."""
        return self.network.logprobs(self.prefix_states(histories))

    @torch.no_grad()
    def prefix_states(self, histories: Sequence[History]) -> Tensor:
        """The network's states behind the same prefixes, float32 ``[sum(n + 1), width]``, on its device.

        A causal network answers behind all prefixes in one pass; prefixes beyond ``max_length`` items see another
        window each and are read one by one, as a network that is not causal reads them all.
        """
        longest = self.config.max_length
        at_once = longest if self.network.causal else 0
        known = [self.known(history) for history in histories]
        windows = [items[:at_once] for items in known]
        windows += [self._recent(items[:end]) for items in known for end in range(at_once + 1, len(items) + 1)]
        whole: list[Tensor] = [torch.empty(0)] * len(windows)
        for rows, states, ends in self._states(windows):
            for row, own, end in zip(rows, states, ends.tolist(), strict=True):
                whole[row] = own[: end + 1] if row < len(known) else own[end : end + 1]
        beyond = iter(whole[len(known) :])
        places = []
        for history, items, states in zip(histories, known, whole, strict=False):
            states = torch.cat([states, *itertools.islice(beyond, max(0, len(items) - at_once))])
            seen = np.cumsum([0, *((0 <= item < self.n_items) for item in history)])  # unknown titles change nothing
            places.append(states[torch.from_numpy(seen)])
        if not places:
            return torch.empty(0, self.config.width, device=self.device)
        return torch.cat(places)

    def _states(self, windows: Sequence[np.ndarray]) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """States of windows of known items, at most ``max_length`` each, in parts of like length.

        Yields:
            Which windows they are, their states float32 ``[part, L, width]``, and where each one's last state is.
        """
        order = sorted(range(len(windows)), key=lambda row: len(windows[row]))
        was_training = self.network.training
        self.network.eval()
        try:
            for begin in range(0, len(order), BATCH):
                rows = order[begin : begin + BATCH]
                questions = [self.network.question(torch.from_numpy(windows[row])) for row in rows]
                batch = to_device(torch.nn.utils.rnn.pad_sequence(questions, batch_first=True), self.device)
                ends = to_device([len(question) - 1 for question in questions], self.device)
                real = torch.arange(batch.shape[1], device=self.device) <= ends[:, None]
                yield rows, self.network(batch, real), ends
        finally:
            self.network.train(was_training)

    def _recent(self, items: np.ndarray) -> np.ndarray:
        return items[-self.config.max_length :]

    def item_embeddings(self) -> Tensor | None:
        """float32 ``[n_items, width]``, detached, for models that learn from them; ``None`` where it has none."""
        own = self.network.item_embeddings()
        return None if own is None else own.detach()

    @property
    def device(self) -> torch.device:
        return self.network.bias.device

    def place(self, setting: str) -> Self:
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
        write_atomically(self.network.state_dict(), path, self.metadata())

    def metadata(self) -> dict[str, str]:
        """What a file says of its weights."""
        metadata = {
            "format": str(FORMAT),
            "n_items": str(self.n_items),
            "settings": json.dumps(self.config.model_dump(include={*SHAPE, self.name})),
        }
        if self.validated is not None:
            metadata["validated"] = json.dumps(self.validated)
        return metadata


def load_teacher(path: Path, expected_items: int, device: str = "cpu") -> Teacher:
    """Read a teacher saved by :meth:`Teacher.save`; ``device`` as ``teacher.device``.

    Raises:
        StudioError: the file is missing, damaged or of a newer format, or belongs to another catalogue.
    """
    return read_teacher(path, expected_items, device, Teacher)


def read_teacher(path: Path, expected_items: int, device: str, make: Callable[[int, TeacherConfig], T]) -> T:
    """As :func:`load_teacher`, of another kind: ``make`` gives an untrained one by number of items and settings."""
    where = str(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if (version := int(metadata["format"])) > FORMAT:
            raise StudioError(
                f"teacher file has format {version}", where=where, remedy="update DELRec Studio to read it"
            )
        if (n_items := int(metadata["n_items"])) != expected_items:
            fault = f"the teacher knows {plural(n_items, 'item')}, the catalogue has {expected_items}"
            raise StudioError(fault, where=where, remedy="use the data set that the teacher was trained on")
        teacher = teacher_from(metadata, tensors, make)
    except FileNotFoundError:
        raise StudioError("no teacher here", where=where, remedy="train it by running or resuming the run") from None
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, ValidationError):
        raise StudioError("the teacher's file is damaged", where=where, remedy="delete it and resume the run") from None
    return teacher.place(device)


def teacher_from(metadata: Mapping[str, str], tensors: Tensors, make: Callable[[int, TeacherConfig], T]) -> T:
    """A teacher of what :meth:`Teacher.metadata` said of its weights ``tensors``; ``make`` as of :func:`read_teacher`.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: damaged.
    """
    teacher = make(int(metadata["n_items"]), TeacherConfig.model_validate_json(metadata["settings"]))
    teacher.network.load_state_dict(tensors)
    if "validated" in metadata:
        teacher.validated = Validated(*json.loads(metadata["validated"]))
    teacher.network.eval()
    return teacher
