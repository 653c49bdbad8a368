"""Names of models for people."""

from __future__ import annotations

from engine.labels import label


def test_copies_of_a_teacher_are_numbered_and_unknown_names_stay() -> None:
    names = ("sasrec", "gru4rec-2", "ml-100", "r-1")
    assert [label(name) for name in names] == ["SASRec", "GRU4Rec, copy 2", "ml-100", "r-1"]
