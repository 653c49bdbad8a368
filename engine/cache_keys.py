"""What determines shared results beside settings: the data that were read, and the language model that was loaded."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

from engine.data.fingerprint import Fingerprint
from engine.models import Models
from engine.run_folder import RunFolder


def of_interactions(run: RunFolder) -> dict[str, Any]:
    """For stages that see ids alone: who chose what in which order, whatever items are called."""
    if run.knows_no_fingerprint():
        return {"run": run.run_id}  # an earlier version's, whose data nobody can know again
    known = Fingerprint.load(run.files.checked(run.fingerprint))
    digest = hashlib.sha256()
    for array in (known.items, known.users, known.lengths, known.interactions):
        digest.update(f"{len(array)}/".encode() + array.tobytes())
    return {"choices": digest.hexdigest(), "times": known.times}


def of_language_model(run: RunFolder, models: Models) -> dict[str, Any]:
    """For stages that ask the language model: all of the data, the model as it was loaded, another run's prompt."""
    record = models.backbone.record
    if record is None or run.knows_no_fingerprint():
        return {"run": run.run_id}
    known = Fingerprint.load(run.files.checked(run.fingerprint))
    facts: dict[str, Any] = {"data": known.whole, "times": known.times, "llm": asdict(record)}
    if models.config.distill.prompt == "run":
        facts["prompt"] = hashlib.sha256(run.files.checked(run.soft_prompt).read_bytes()).hexdigest()
    return facts
