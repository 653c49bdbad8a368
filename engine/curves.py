"""What curves are called: one text to monitors, in files and in the database, which is taken apart nowhere but here."""

from __future__ import annotations

from dataclasses import dataclass

OBJECTIVE, POPULARITY = "objective", "popularity"
"""What stage 1 keeps its best weights by, and what a teacher has to exceed; both of validation."""
VALIDATION = "validation"


@dataclass(frozen=True)
class CurveName:
    """What a curve shows; ``str()`` gives it in one line, :meth:`read` reads that.

    Args:
        stage: of the run, e.g. ``teacher:caser``.
        what: ``loss``, ``accuracy``, ``weight``, ``lr``, ``rank``, or a metric such as ``NDCG@10``.
        of: the task or module that it is of; "" for the whole.
        validation: whether it was measured on validation users.

    >>> CurveName.read("distil validation.loss.rps")
    CurveName(stage='distil', what='loss', of='rps', validation=True)
    >>> str(CurveName("finetune", "rank", "model.layers.0.q")), CurveName("finetune", "NDCG@10", validation=True).name
    ('finetune rank.model.layers.0.q', 'validation.NDCG@10')
    """

    stage: str
    what: str
    of: str = ""
    validation: bool = False

    @classmethod
    def named(cls, stage: str, name: str) -> CurveName:
        """The curve that a stage calls ``name``."""
        group, dot, rest = name.partition(".")
        validation = bool(dot) and group == VALIDATION
        what, _, of = rest.partition(".") if validation else (group, dot, rest)
        return cls(stage, what, of, validation)

    @classmethod
    def read(cls, text: str) -> CurveName:
        """What ``str()`` wrote; other texts name curves that no run has."""
        stage, _, name = text.partition(" ")
        return cls.named(stage, name)

    @property
    def name(self) -> str:
        """What its stage calls it."""
        parts = (VALIDATION if self.validation else "", self.what, self.of)
        return ".".join(part for part in parts if part)

    @property
    def of_module(self) -> bool:
        """Whether it is the rank of a single module, of which there are hundreds."""
        return self.what == "rank" and self.of != "mean"

    def __str__(self) -> str:
        return f"{self.stage} {self.name}"
