"""``predictions.parquet``: what every model answered for every test user.

One line per user, ids dense unless said otherwise; for each model ``M`` of the table five columns or six.

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
``M/warm_rank``            double         where cold items are tested: rank of the target among warm candidates
=========================  =============  =============================================================================

The file's schema metadata hold ``delrec``: JSON with ``version``, ``models`` (name, kind), ``teacher``, ``n_items``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import StudioError
from engine.evaluate.rows import Evaluation

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

VERSION = 1
GROUP = 4096
"""Users written together, so that memory does not grow with their number."""


@dataclass(frozen=True)
class Predictions:
    """The table as read back, and what it is about."""

    table: pd.DataFrame
    """Columns as above, or those that were wanted; lists as NumPy arrays."""
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
    import pyarrow.parquet as pq

    about = {
        "version": VERSION,
        "models": {name: row.kind for name, row in evaluation.rows.items()},
        "teacher": evaluation.teacher,
        "n_items": evaluation.n_items,
    }
    n = len(evaluation.examples)
    groups = (range(begin, min(begin + GROUP, n)) for begin in range(0, max(n, 1), GROUP))
    tables = (_table(evaluation, user_ids, history, group) for group in groups)
    first = next(tables).replace_schema_metadata({"delrec": json.dumps(about)})
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(partial, first.schema) as file:
            for table in chain([first], tables):
                file.write_table(table)
        partial.replace(path)
    except OSError as error:
        remedy = "make room or allow writing there, then resume the run"
        raise StudioError(f"could not write the predictions: {error}", where=str(path), remedy=remedy) from None
    finally:
        with suppress(OSError):
            partial.unlink()


def _table(evaluation: Evaluation, user_ids: Sequence[str], history: int, places: range) -> pa.Table:
    """The lines of these examples."""
    import pyarrow as pa

    def lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
        ends = pa.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1])
        return pa.ListArray.from_arrays(ends, pa.array(values.ravel(), kind))

    part = slice(places.start, places.stop)
    examples = evaluation.examples.take(places)
    columns: dict[str, Any] = {
        "user": pa.array(examples.users, pa.int64()),
        "user_id": pa.array([user_ids[user] for user in examples.users], pa.string()),
        "history": pa.array([np.asarray(items)[-history:] for items in examples.histories], pa.list_(pa.int64())),
        "target": pa.array(examples.targets, pa.int64()),
        "candidates": lists(evaluation.candidates[part], pa.int64()),
    }
    for name, row in evaluation.rows.items():
        columns[f"{name}/candidate_scores"] = lists(row.candidates[part], pa.float32())
        columns[f"{name}/candidate_rank"] = pa.array(row.ranks.expected[part], pa.float64())
        columns[f"{name}/full_rank"] = pa.array(row.full.expected[part], pa.float64())
        columns[f"{name}/top_items"] = lists(row.listing.items[part], pa.int64())
        columns[f"{name}/top_scores"] = lists(row.listing.scores[part], pa.float32())
        if row.warm_ranks:
            columns[f"{name}/warm_rank"] = pa.array(row.warm_ranks.expected[part], pa.float64())
    return pa.table(columns)


@dataclass(frozen=True)
class Scores:
    """What the models answered about the candidates alone; see the columns above."""

    users: np.ndarray
    """int64 ``[n]``."""
    targets: np.ndarray
    """int64 ``[n]``."""
    candidates: np.ndarray
    """int64 ``[n, m]``."""
    of: Mapping[str, np.ndarray]
    """float32 ``[n, m]`` by model."""


def read_predictions(path: Path, models: Collection[str] | None = None) -> Predictions:
    """Read what :func:`write_predictions` wrote.

    Args:
        models: whose scores and lists are read; ``None`` for all. Ranks are read of every model, and take little.

    Raises:
        StudioError: no such file, a damaged one, or one of a newer version.
    """

    def is_needed(column: str) -> bool:
        model, _, answer = column.rpartition("/")
        return models is None or not model or model in models or answer.endswith("_rank")

    table, about = _read(path, is_needed)
    return Predictions(
        table.replace_schema_metadata(None).to_pandas(), about["models"], about["teacher"], about["n_items"]
    )


def read_scores(path: Path) -> Scores:
    """Read only the candidates and their scores, several times faster than the whole table.

    Raises:
        StudioError: as for :func:`read_predictions`.
    """
    own = ("user", "target", "candidates")
    table, about = _read(path, lambda column: column in own or column.endswith("/candidate_scores"))

    def matrix(name: str) -> np.ndarray:
        values: np.ndarray = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return values.reshape(len(table), -1)

    try:
        return Scores(
            table["user"].to_numpy(),
            table["target"].to_numpy(),
            matrix("candidates"),
            {model: matrix(f"{model}/candidate_scores") for model in about["models"]},
        )
    except (KeyError, ValueError):
        raise _damaged(path) from None


def _read(path: Path, is_needed: Callable[[str], bool]) -> tuple[pa.Table, dict[str, Any]]:
    """These columns of the table, and what its metadata say."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = json.loads(file.schema_arrow.metadata[b"delrec"])
            version = int(about["version"])
            table = file.read([name for name in file.schema_arrow.names if is_needed(name)])
    except FileNotFoundError:
        raise StudioError("the run has no predictions", where=str(path), remedy="finish the run") from None
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        raise _damaged(path) from None
    if version > VERSION:
        raise StudioError("a newer DELRec Studio wrote these predictions", where=str(path), remedy="update it")
    return table, about


def _damaged(path: Path) -> StudioError:
    return StudioError("the predictions are damaged", where=str(path), remedy="evaluate the run anew")
