"""``predictions.parquet``: what every model answered for every test user.

One line per user, ids dense unless said otherwise; for each model ``M`` of the table five columns.

=========================  =============  =============================================================================
column                     type           meaning
=========================  =============  =============================================================================
``user``                   int64          index of the user in the data set
``user_id``                string         the user's id in the data set's files
``history``                list<int64>    the last items before the target, oldest first (as many as the LLM sees)
``target``                 int64          the true next item
``candidates``             list<int64>    the m candidates, in the order in which all models saw them
``M/candidate_scores``     list<float>    scores of the candidates, higher is better
``M/candidate_rank``       double         rank of the target among them; ties count as their mean rank
``M/full_rank``            double         rank of the target in the full catalogue without the history
``M/top_items``            list<int64>    the model's best K items of the catalogue, best first
``M/top_scores``           list<float>    their scores
=========================  =============  =============================================================================

The file's schema metadata hold ``delrec``: JSON with ``version``, ``models`` (name, kind), ``teacher``, ``n_items``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import StudioError
from engine.evaluate.rows import Evaluation

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1


@dataclass(frozen=True)
class Predictions:
    """The table as read back, and what it is about."""

    table: pd.DataFrame
    """Columns as above; lists as NumPy arrays."""
    models: dict[str, str]
    """Kind of each model by name, in the order of the results table."""
    teacher: str
    n_items: int


def write_predictions(evaluation: Evaluation, user_ids: Sequence[str], history: int, path: Path) -> None:
    """Write the evaluation's answers to ``path``, atomically.

    Args:
        user_ids: external ids of all users of the data set.
        history: how many of the last history items to keep.

    Raises:
        StudioError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    examples = evaluation.examples
    columns: dict[str, Any] = {
        "user": pa.array(examples.users, pa.int64()),
        "user_id": pa.array([user_ids[user] for user in examples.users], pa.string()),
        "history": pa.array([np.asarray(items)[-history:] for items in examples.histories], pa.list_(pa.int64())),
        "target": pa.array(examples.targets, pa.int64()),
        "candidates": pa.array(list(evaluation.candidates), pa.list_(pa.int64())),
    }
    for name, row in evaluation.rows.items():
        columns[f"{name}/candidate_scores"] = pa.array(list(row.candidates), pa.list_(pa.float32()))
        columns[f"{name}/candidate_rank"] = pa.array(row.ranks.expected, pa.float64())
        columns[f"{name}/full_rank"] = pa.array(row.full.expected, pa.float64())
        columns[f"{name}/top_items"] = pa.array(list(row.listing.items), pa.list_(pa.int64()))
        columns[f"{name}/top_scores"] = pa.array(list(row.listing.scores), pa.list_(pa.float32()))
    about = {
        "version": VERSION,
        "models": {name: row.kind for name, row in evaluation.rows.items()},
        "teacher": evaluation.teacher,
        "n_items": evaluation.n_items,
    }
    table = pa.table(columns).replace_schema_metadata({"delrec": json.dumps(about)})
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, partial)
        partial.replace(path)
    except OSError as error:
        remedy = "make room or allow writing there, then resume the run"
        raise StudioError(f"could not write the predictions: {error}", where=str(path), remedy=remedy) from None
    finally:
        with suppress(OSError):
            partial.unlink()


def read_predictions(path: Path, columns: Sequence[str] | None = None) -> Predictions:
    """Read what :func:`write_predictions` wrote, or only some ``columns`` of it.

    Raises:
        StudioError: no such file, a damaged one, or one of a newer version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=None if columns is None else list(columns))
        about = json.loads(table.schema.metadata[b"delrec"])
        version = int(about["version"])
    except FileNotFoundError:
        raise StudioError("the run has no predictions", where=str(path), remedy="finish the run") from None
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        raise StudioError("the predictions are damaged", where=str(path), remedy="evaluate the run anew") from None
    if version > VERSION:
        raise StudioError("a newer DELRec Studio wrote these predictions", where=str(path), remedy="update it")
    return Predictions(
        table.replace_schema_metadata(None).to_pandas(), about["models"], about["teacher"], about["n_items"]
    )
