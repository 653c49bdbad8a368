"""A soft prompt that depends on the history: what the teacher's network makes of it stands before each answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Self

import torch
from torch import Tensor, nn

from engine.llm.backbone import Embedded
from engine.ranking import History
from engine.teachers import Teacher, teacher_from
from engine.transfer import to_device

PROJECTION, TEACHER = "conditioner.projection", "conditioner.teacher."
"""Beginnings of names in a soft prompt's file."""


class Conditioner(nn.Module):
    """``x_t + W norm(h_t)``: ``h_t`` is the teacher's state of the first t titles, ``x_t`` what stands before answer t.

    Only ``W`` is learned, from zero; the teacher stays as it is. It sees the titles that the prompt lists and no more,
    so an answer depends on these alone, and one about a history without some of them is asked by the same rule. That
    an encoder's state shifts a prompt is CoCoOp's idea (Zhou et al., CVPR 2022), to show a language model the states of
    a recommender LLaRA's (Liao et al., SIGIR 2024); the paper's soft prompt is one for all histories.

    Args:
        teacher: whose states.
        width: of the language model's embeddings.
    """

    def __init__(self, teacher: Teacher, width: int) -> None:
        super().__init__()
        object.__setattr__(self, "teacher", teacher)  # not a part of this module: neither learned nor cast with it
        self.teacher: Teacher
        self.projection = nn.Parameter(torch.zeros(width, teacher.config.width))

    def forward(self, histories: Sequence[History]) -> list[Tensor]:
        """float32 ``[n + 1, width]`` for each history of n items: what is added before the answers to its prefixes."""
        shifts = self.projected(self.teacher.prefix_states(histories))
        return list(shifts.split([len(history) + 1 for history in histories]))

    def projected(self, states: Tensor) -> Tensor:
        """float32 ``[..., width]`` of the teacher's ``states [..., its width]``; differentiable in both."""
        states = states.to(self.projection.device)
        return nn.functional.layer_norm(states, states.shape[-1:]) @ self.projection.T

    def shifted(self, batch: Embedded, histories: Sequence[History]) -> Embedded:
        """The batch with its shifts added: at the last n + 1 slots of a prompt or, where it has fewer, at these."""
        added = [shifts[-len(slots) :] for shifts, slots in zip(self(histories), batch.slots, strict=True)]
        rows = [row for row, slots in enumerate(batch.slots) for _ in slots]
        places = to_device(rows, batch.inputs.device), to_device([*chain(*batch.slots)], batch.inputs.device)
        return replace(batch, inputs=batch.inputs.index_put(places, torch.cat(added).to(batch.inputs), accumulate=True))

    def tensors(self) -> dict[str, Tensor]:
        """All that a file must hold."""
        weights = self.teacher.network.state_dict()
        return {PROJECTION: self.projection} | {f"{TEACHER}{name}": tensor for name, tensor in weights.items()}

    def metadata(self) -> dict[str, str]:
        """What a file says of the teacher."""
        return {"teacher": json.dumps(self.teacher.metadata())}

    @classmethod
    def read(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Self | None:
        """Out of a soft prompt's file; ``None`` where that is one for all histories.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: damaged.
        """
        if PROJECTION not in tensors:
            return None
        weights = {name.removeprefix(TEACHER): tensors[name] for name in tensors if name.startswith(TEACHER)}
        found = cls(teacher_from(json.loads(metadata["teacher"]), weights, Teacher), len(tensors[PROJECTION]))
        found.projection.data.copy_(tensors[PROJECTION])
        return found
