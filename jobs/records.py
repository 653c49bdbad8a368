"""What pages and shell read of the database as it is, by the ids of runs: records, and the queries that give them.

With :mod:`jobs.api` and its like, which act, find by name and look after processes, the only way to the database.
"""

from __future__ import annotations

from db.asked import AnswerProgress
from db.clock import now
from db.experiments import Experiment
from db.explanations import Explanation
from db.metrics import Best, Curve, best, curves
from db.metrics import names as curve_names
from db.results import HEADLINE, Result, headline, slices, table
from db.runs import ACTIVE, RESUMABLE, Run, RunState
from db.stages import Stage, total_seconds
from db.store import database_url
from db.workers import Worker

__all__ = [
    "ACTIVE",
    "HEADLINE",
    "RESUMABLE",
    "AnswerProgress",
    "Best",
    "Curve",
    "Experiment",
    "Explanation",
    "Result",
    "Run",
    "RunState",
    "Stage",
    "Worker",
    "best",
    "curve_names",
    "curves",
    "database_url",
    "headline",
    "now",
    "slices",
    "table",
    "total_seconds",
]
