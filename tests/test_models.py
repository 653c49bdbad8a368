"""The models of a run: which of its rows can be asked for."""

from __future__ import annotations

import pytest

from engine.errors import StudioError
from engine.models import Models
from tests.stage_world import make_world

SMALL = make_world("distill.prompt=none", "plus.enabled=false")


@pytest.mark.parametrize("row", ["nonsense", "", "gru4rec", "ensemble", "text", "llm-distilled", "delrec-plus"])
def test_a_row_that_the_run_does_not_have_is_refused_with_those_that_it_has(row: str) -> None:
    """Whether nothing is called so, or another run has it."""
    models = Models(SMALL.config, SMALL.dataset, SMALL.split, SMALL.backbone)
    with pytest.raises(StudioError, match=rf"no row '{row}' .*choose from popularity, markov, .*, delrec$"):
        models.ranker(row)
