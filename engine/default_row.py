"""Which row of a run answers for it where nobody asks for another.

The last stage of the run or of the paper's method, where it is no more than a standard error below the row that was
best on validation users (the one-standard-error rule, Breiman et al. 1984): what a run is made for gives way to a
control that is better, and not to one that is as good. Else that best row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from engine.errors import StudioError
from engine.labels import label, plural
from engine.rows import all_rows, last_row, method_row
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
        errors = {row: float(kept.get("errors", {}).get(row, 0)) for row in rows}
        own = [row for row in (last_row(config), method_row(config)) if row in rows]
        as_good = [row for row in own if rows[best] - rows[row] <= errors[row]]
    except FileNotFoundError:
        row = last_row(config)
        return ChosenRow(
            row,
            f"{label(row)}, the run's last stage: validation.json, which says who was best before, is not there.",
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"the record of the validation is damaged: {error}"
        raise StudioError(fault, where=str(run.validation), remedy="delete it") from None
    among = f"{MEASURE} {rows[best]:.3f} among the candidates"
    if not as_good or best in as_good:
        return ChosenRow(best, f"{label(best)} was best on {plural(users, 'validation user')} ({among}).")
    row = as_good[0]
    return ChosenRow(
        row,
        f"{label(row)} was as good on {plural(users, 'validation user')} as the best row, {label(best)} ({among}, and"
        f" {rows[row]:.3f}: no more than a standard error apart).",
    )
