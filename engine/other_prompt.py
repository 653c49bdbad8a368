"""A soft prompt that another run has learned, for a run that takes it over (``distill.prompt=run``)."""

from __future__ import annotations

import numpy as np

from engine.data.fingerprint import Fingerprint
from engine.errors import StudioError
from engine.llm import BackboneFingerprint, SoftPrompt
from engine.locations import other_run
from engine.models import Models
from engine.run_folder import RunFolder
from engine.verbalizers import VERBALIZERS


def other_run_prompt(models: Models, run: RunFolder) -> SoftPrompt:
    """The soft prompt of the run that ``distill.prompt_run`` names, for ``models`` of ``run``.

    Raises:
        StudioError: it was deleted, has none, or another language model made it, or for other items, by which a head or
            a conditional prompt goes, or with it a head for vectors of another encoder.
    """
    named = str(models.config.distill.prompt_run)
    folder = other_run(named, run.path.parent)
    if not RunFolder(folder).soft_prompt.is_file():
        what = f"the run {named} has no soft prompt, or was deleted"
        raise StudioError(what, where="distill.prompt_run", remedy="name another run that is done, by its id or folder")
    other = RunFolder.open(folder)
    earlier = BackboneFingerprint.read(other.files.checked(other.llm))
    if earlier is not None and models.backbone.record is not None:
        earlier.check(models.backbone.record, models.backbone.name)
    prompt = SoftPrompt.load(other.files.checked(other.soft_prompt), models.backbone, models.split.n_items)
    own, theirs = models.config.llm, other.config().llm
    takes_head = bool(prompt.head) and VERBALIZERS[own.verbalizer].learns
    if takes_head or prompt.conditioner is not None:
        one, another = (Fingerprint.load(it.files.checked(it.fingerprint)).items for it in (run, other))
        if not np.array_equal(one, another):
            raise StudioError(
                f"the soft prompt of the run {named} goes by items, and they are others than this run's",
                where="distill.prompt_run",
                remedy="name a run on the same data set, with the same items",
            )
    for setting, what in (("verbalizer", "another verbalizer"), ("title_encoder", "title vectors of another encoder")):
        if takes_head and getattr(own, setting) != (wanted := getattr(theirs, setting)):
            raise StudioError(
                f"the run {named} trained a head with its soft prompt, for {what}",
                where="distill.prompt_run",
                remedy=f"set llm.{setting}={wanted!r}, as in that run",
            )
    return prompt
