"""Which row of a run answers for it where nobody asks for another: the one that was best on validation users."""

from __future__ import annotations

import json
from dataclasses import dataclass

from engine.errors import StudioError
from engine.labels import label, plural
from engine.rows import all_rows, last_row
from engine.run_folder import RunFolder

MEASURE = "NDCG@5"


@dataclass(frozen=True)
class ChosenRow:
    """A row, and why it is this one, in a sentence."""

    row: str
    why: str


def chosen_row(run: RunFolder) -> ChosenRow:
    """What ``validation.json`` says; runs of earlier versions have none, and are answered for by their last stage.

    Raises:
        StudioError: the file is damaged.
    """
    config = run.config()
    try:
        kept = json.loads(run.files.checked(run.validation).read_text(encoding="utf-8"))
        rows = {str(row): float(value) for row, value in kept["rows"].items() if row in all_rows(config)}
        users = int(kept["users"])
        best = max(rows, key=lambda row: rows[row])
    except FileNotFoundError:
        row = last_row(config)
        return ChosenRow(
            row,
            f"{label(row)}, the run's last stage: validation.json, which says who was best before, is not there.",
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"the record of the validation is damaged: {error}"
        raise StudioError(fault, where=str(run.validation), remedy="delete it") from None
    return ChosenRow(
        best,
        f"{label(best)} was best on {plural(users, 'validation user')}"
        f" ({MEASURE} {rows[best]:.3f} among the candidates).",
    )
