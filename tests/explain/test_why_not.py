"""Why an item is not recommended: what is ahead of it, and a change that was seen to raise it."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_run import tiny_models

from engine.explain.explainer import Explainer, Inapplicable
from engine.explain.explananda import explanandum_of_user
from engine.explain.explanandum import Explanandum
from engine.explain.predictor import ranks
from engine.explain.why_not import why_not


@pytest.fixture(scope="module")
def asked() -> list[Explanandum]:
    """Every candidate of four users."""
    models = tiny_models()
    explained = [explanandum_of_user(models, f"user {user}") for user in range(4)]
    return [each.about(column) for each in explained for column in range(len(each.instance.candidates))]


def test_it_is_behind_the_first_by_the_gap_of_their_scores_and_a_change_that_raises_it_is_asked_anew(
    asked: list[Explanandum],
) -> None:
    raised = 0
    for explained in asked:
        instance, full = explained.instance, explained.model.full()
        if full.argmax() == instance.target:
            with pytest.raises(Inapplicable, match="comes first"):
                Explainer(explained).measure_why_not()
            continue
        found = why_not(explained)
        assert found.first == instance.candidates[full.argmax()]
        assert found.behind == pytest.approx(full.max() - full[instance.target], abs=1e-5)
        assert found.rank == ranks(full[None], instance.target)[0] > 1
        assert not set(found.against) & set(found.speaking)
        assert explained.called(found.first) in found.sentence
        if found.raised is None:
            assert "None of" in found.sentence
            continue
        raised += 1
        history, change = instance.history, found.raised
        changed = np.append(history, change.added) if change.removed is None else np.delete(history, change.removed)
        assert ranks(explained.model.fresh(changed)[None], instance.target)[0] == change.rank < found.rank
    assert raised > 0
