"""Tables of an experiment as text: for papers, for other programs, for notes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

ESCAPED = {"\\": r"\textbackslash{}", **{sign: f"\\{sign}" for sign in "&%$#_{}"}, "~": r"\textasciitilde{}"}
ESCAPED |= {"^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$"}
ESCAPED |= {sign: f"${sign}$" for sign in "<>|"}
"""The last three are other signs in LaTeX's usual fonts, where ``p < .001`` would read ``p ¡ .001``."""


@dataclass(frozen=True)
class Table:
    """Heads and rows of cells; ``note`` says what the figures are."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def latex(self) -> str:
        """A ``table`` with ``booktabs`` rules, names on the left, figures on the right."""
        lines = [
            r"\begin{table}",
            rf"\caption{{{_latex(self.title)}. {_latex(self.note)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}",
            r"\toprule",
            *(" & ".join(map(_latex, row)) + r" \\" for row in [self.columns]),
            r"\midrule",
            *(" & ".join(map(_latex, row)) + r" \\" for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def markdown(self) -> str:
        """A table in Markdown with its note below."""
        rule = "|".join(["---", *("---:" for _ in self.columns[1:])])
        lines = ["| " + " | ".join(map(_markdown, row)) + " |" for row in [self.columns, *self.rows]]
        return "\n".join([lines[0], f"|{rule}|", *lines[1:], "", self.note]).rstrip() + "\n"

    def csv(self) -> str:
        """Comma-separated, heads first."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()


def _latex(text: str) -> str:
    return "".join(ESCAPED.get(letter, letter) for letter in text)


def _markdown(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\|<*`" else letter for letter in text.replace("\n", " "))
