"""The neural teachers there are: a new one is a file in ``engine/teachers`` and a line here; all else goes by them.

Settings that are an architecture's alone are a section of its name in :class:`engine.config.TeacherConfig`. Light
enough for any page to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple


class Architecture(NamedTuple):
    """One way to build a teacher."""

    label: str
    """What people and language models read for it."""
    network: str
    """Module and name of its :class:`engine.teachers.network.Network`, which is imported when one is built."""
    ignores: Mapping[str, str] = {}
    """Shared settings that do nothing to this one, and which setting of its own does instead, if any."""


ARCHITECTURES: Mapping[str, Architecture] = {
    "sasrec": Architecture("SASRec", "engine.teachers.sasrec:SASRec"),
    "gru4rec": Architecture("GRU4Rec", "engine.teachers.gru4rec:GRU4Rec", {"heads": ""}),
    "caser": Architecture("Caser", "engine.teachers.caser:Caser", {"layers": "", "heads": ""}),
    "bert4rec": Architecture("BERT4Rec", "engine.teachers.bert4rec:BERT4Rec"),
    "gsasrec": Architecture(
        "gSASRec",
        "engine.teachers.gsasrec:GSASRec",
        {"negatives": "teacher.gsasrec.negatives", "label_smoothing": ""},
    ),
}
"""By the name in the settings, which holds no hyphen: copies are called ``sasrec-2``."""

if TYPE_CHECKING:
    TeacherName = str
else:
    TeacherName = Literal[tuple(ARCHITECTURES)]
