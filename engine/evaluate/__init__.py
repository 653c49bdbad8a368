"""Measures every model on the same users and candidates, with intervals, and says what the figures mean.

``sample_users`` → ``evaluate`` → ``build_report`` (``metrics.json``) and ``write_predictions`` (Parquet); ``render``
turns a report into tables and sentences.
"""

from engine.evaluate.build import build_report
from engine.evaluate.evaluator import RowEntry, evaluate, sample_users
from engine.evaluate.predictions import Predictions, read_predictions, read_scores, write_predictions
from engine.evaluate.report import Report
from engine.evaluate.rows import Evaluation, Row
from engine.evaluate.slices import Context, context

__all__ = [
    "Context",
    "Evaluation",
    "Predictions",
    "Report",
    "Row",
    "RowEntry",
    "build_report",
    "context",
    "evaluate",
    "read_predictions",
    "read_scores",
    "sample_users",
    "write_predictions",
]
