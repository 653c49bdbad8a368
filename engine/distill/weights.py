"""How the losses of TA and RPS are mixed."""

from __future__ import annotations

from collections.abc import Mapping

from engine.config import DistillConfig

SMALLEST_NORM = 1e-12


def dynamic_weights(norms: Mapping[str, float]) -> dict[str, float]:
    """``w_i`` in proportion to ``(1 / ‖g_i‖) ** 0.5``, summing to one (paper section IV-B).

    ``norms``: each task's gradient norm with respect to the soft prompt. A task with a large gradient is held back.
    """
    raw = {name: max(norm, SMALLEST_NORM) ** -0.5 for name, norm in norms.items()}
    total = sum(raw.values())
    return {name: value / total for name, value in raw.items()}


def task_weights(norms: Mapping[str, float], config: DistillConfig) -> dict[str, float]:
    """Weights by the settings for the tasks in ``norms``; a task that is alone has weight one."""
    if len(norms) == 1:
        return dict.fromkeys(norms, 1.0)
    if config.weights == "fixed":
        return {"ta": config.ta_weight, "rps": 1.0 - config.ta_weight}
    return dynamic_weights(norms)
