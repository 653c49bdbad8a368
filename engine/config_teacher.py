"""The teachers' settings: what all architectures share, and a section for what is one's alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from engine.architectures import ARCHITECTURES, TeacherName
from engine.config_base import Section
from engine.config_base import setting as _field


class GRU4RecConfig(Section):
    """What GRU4Rec alone has."""

    hidden: int | None = _field(None, unit="dimensions", advanced=True, ge=4, le=4096)
    """Size of the recurrent state; empty takes twice the width."""


class CaserConfig(Section):
    """What Caser alone has."""

    filters: int = _field(16, advanced=True, ge=1, le=256)
    """Convolution filters of each height."""


class BERT4RecConfig(Section):
    """What BERT4Rec alone has."""

    mask_share: float = _field(0.4, advanced=True, gt=0.0, le=1.0)
    """Chance of an item of a training sequence to be masked and asked for."""
    last_share: float = _field(0.1, unit="share of sequences", advanced=True, ge=0.0, le=1.0)
    """Training sequences in which the last item alone is masked, as when the next item is asked for."""
    maskings: int = _field(3, unit="maskings", advanced=True, ge=1, le=100)
    """How often a training sequence is masked anew in an epoch."""


class GSASRecConfig(Section):
    """What gSASRec alone has."""

    negatives: int = _field(256, unit="items", advanced=True, ge=1)
    """Items drawn anew for each training sequence, which every label in it is told from."""
    t: float = _field(0.75, advanced=True, ge=0.0, le=1.0)
    """How far gBCE makes up for sampling negatives: 0 not at all, as plain binary cross-entropy; 1 wholly."""


class TeacherConfig(Section):
    """The conventional sequential recommender whose pattern is distilled."""

    name: TeacherName = _field("sasrec")
    """Architecture of the teacher."""
    also: tuple[TeacherName, ...] = _field(())
    """Further teachers to train and to show in the table."""
    copies: int = _field(1, unit="copies", advanced=True, ge=1, le=9)
    """How often every teacher is trained, each time from other initial weights; the ensemble is made of all copies."""
    max_length: int = _field(50, unit="items", ge=2, le=500)
    """History items the teacher sees."""
    width: int = _field(64, unit="dimensions", ge=4, le=1024)
    """Size of item embeddings and hidden states."""
    layers: int = _field(2, advanced=True, ge=1, le=12)
    """Blocks of attention, or recurrent layers."""
    heads: int = _field(1, advanced=True, ge=1, le=16)
    """Attention heads of a block."""
    dropout: float = _field(0.2, ge=0.0, lt=1.0)
    """Dropout rate in training."""
    epochs: int = _field(20, unit="epochs", ge=1, le=5000)
    """Most passes over the training data; early stopping may end sooner."""
    patience: int = _field(10, unit="validations", ge=1)
    """Validations without a better NDCG@10 before training stops."""
    validate_every: int = _field(2, unit="epochs", advanced=True, ge=1)
    """Epochs between validations."""
    batch_size: int = _field(32, unit="sequences", advanced=True, ge=1)
    """Sequences of max_length in a training batch."""
    lr: float = _field(5e-3, gt=0.0)
    """Learning rate of AdamW at first; it falls linearly over the epochs."""
    weight_decay: float = _field(0.0, advanced=True, ge=0.0)
    """Decoupled weight decay."""
    label_smoothing: float = _field(0.0, advanced=True, ge=0.0, lt=1.0)
    """Share of the label's probability that is spread over all items, where the loss is a softmax."""
    negatives: int | None = _field(None, unit="items", ge=1)
    """Softmax over the label and so many items drawn anew for each batch, each standing for n / K of them (logQ
    correction), where a softmax over all n is slow or too large; empty takes all items. gSASRec has its own."""
    validation_users: int = _field(5000, unit="users", advanced=True, ge=1)
    """Validation users asked at each validation, at most."""
    device: str = _field("auto", advanced=True, pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    """Where teachers are trained and asked; auto takes an NVIDIA GPU where there is one."""

    gru4rec: GRU4RecConfig = GRU4RecConfig()
    caser: CaserConfig = CaserConfig()
    bert4rec: BERT4RecConfig = BERT4RecConfig()
    gsasrec: GSASRecConfig = GSASRecConfig()

    def warnings(self) -> tuple[str, ...]:
        """Settings that were changed and change nothing, a sentence for each: an architecture does not know them, or
        they are one's that is not trained."""
        trained, usual, warnings = dict.fromkeys((self.name, *self.also)), type(self)(), []
        for name in trained:
            for setting, instead in ARCHITECTURES[name].ignores.items():
                if (value := getattr(self, setting)) != getattr(usual, setting):
                    own = ""
                    if instead:
                        *_, group, its = instead.split(".")
                        own = f" ({instead}={getattr(getattr(self, group), its)} is its own)"
                    warnings.append(f"teacher.{setting}={value} does nothing to {ARCHITECTURES[name].label}{own}")
        for name, architecture in ARCHITECTURES.items():
            section = getattr(self, name, None)
            if name not in trained and section is not None and section != getattr(usual, name):
                warnings.append(f"teacher.{name} does nothing, as no {architecture.label} is trained")
        return tuple(warnings)

    @model_validator(mode="before")
    @classmethod
    def _earlier_names(cls, values: Any) -> Any:
        """Until architectures had sections, Caser's filters were ``teacher.filters``; earlier runs still say so."""
        own = values.get("caser", {}) if isinstance(values, Mapping) and "filters" in values else None
        if not isinstance(own, Mapping):
            return values
        others = {name: value for name, value in values.items() if name != "filters"}
        return others | {"caser": {"filters": values["filters"], **own}}

    @model_validator(mode="after")
    def _settings_agree(self) -> TeacherConfig:
        if self.width % self.heads:
            raise ValueError(f"teacher.heads={self.heads} does not divide teacher.width={self.width}")
        if self.label_smoothing and self.negatives:
            raise ValueError("teacher.label_smoothing spreads over all items; leave teacher.negatives empty with it")
        return self
