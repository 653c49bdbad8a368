"""Dropout that is cheap on CPUs, where drawing a random float for every element takes longer than the layers do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from engine.labels import plural


class _Drawn:
    """For which rows of a batch, of how many, masks are drawn; ``None``: all that come."""

    rows: tuple[slice, int] | None = None


@contextmanager
def drawn_for(rows: slice, total: int) -> Iterator[None]:
    """Within, what is dropped is drawn for batches of ``total`` rows, of which only ``rows`` come.

    So processes that share a batch drop what one alone would.
    """
    _Drawn.rows = (rows, total)
    try:
        yield
    finally:
        _Drawn.rows = None


class Dropout(nn.Module):
    """``nn.Dropout`` with a rate rounded to 1/256: one random 64-bit draw decides on eight elements."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropped = round(rate * 256)

    def forward(self, values: Tensor) -> Tensor:
        """Same shape; in training, elements are zeroed at the rate and the others scaled up to keep the mean."""
        if not self.training or not self.dropped:
            return values
        kept = self._drawn(values).ge_(self.dropped)
        return values * kept * (256 / (256 - self.dropped))

    def _drawn(self, values: Tensor) -> Tensor:
        """A random byte for each element."""
        number, part = values.numel(), _Drawn.rows
        if part is not None:
            own, total = part
            rows = own.stop - own.start
            if len(values) % rows:
                raise ValueError(f"{plural(len(values), 'row')} instead of a multiple of the batch's {rows}")
            number = number // rows * total
        draws = torch.randint(-(2**63), 2**63 - 1, (-(-number // 8),), device=values.device)
        # Ones and zeros as bytes; bool takes PyTorch several times as long, to make and to multiply by.
        drawn = draws.view(torch.uint8)[:number]
        if part is not None:  # a batch may stand there several times
            drawn = drawn.view(-1, total, *values.shape[1:])[:, own].reshape(values.shape)
        return drawn.view(values.shape)


class HeldDropout(Dropout):
    """Draws once what it then drops from everything, so that parts of a batch, and processes, have it in common."""

    kept: Tensor | None = None

    def hold(self, rows: int, width: int, device: torch.device) -> None:
        """Draw for values ``[rows, width]``; until :attr:`kept` is ``None`` again it stays."""
        self.kept = super()._drawn(torch.empty(rows, width, dtype=torch.uint8, device=device)).ge_(self.dropped)

    def forward(self, values: Tensor) -> Tensor:
        """``values [rows, width]``, as :class:`Dropout`; without :meth:`hold` nothing is dropped."""
        if not self.training or self.kept is None:
            return values
        return values * self.kept * (256 / (256 - self.dropped))
