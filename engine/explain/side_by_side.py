"""Two rows of a run beside each other: do they lean on the same titles?"""

from __future__ import annotations

FEW = 4
"""Fewer titles than that have so few orders that agreement says little."""


def agreement_sentence(model: str, beside: str, correlation: float | None, n: int) -> str:
    """What the rank correlation of two rows' effects of ``n`` titles means; ``None`` where one has no order."""
    if n == 1:
        return f"With one title in the history, the reasons of {model} and {beside} have no order to compare."
    if correlation is None:
        return f"The reasons of {model} and {beside} cannot be compared: for one of them every title counts alike."
    if correlation >= 0.7:
        means = "they lean on the same titles"
    elif correlation >= 0.3:
        means = "they lean on partly the same titles"
    elif correlation > -0.3:
        means = "each leans on titles of its own"
    else:
        means = "what speaks for it with one tends to speak against it with the other"
    few = f" With {n} titles that says little." if n < FEW else ""
    return f"{model} and {beside}: {means} (rank correlation of the effects {correlation:+z.2f}).{few}"
