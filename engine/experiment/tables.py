"""Tables of an experiment as text: for papers, for other programs, for notes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.labels import capital, ended

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
            rf"\caption{{{' '.join(_latex(ended(text)) for text in (self.title, capital(self.note)) if text)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}",
            r"\toprule",
            _row(self.columns),
            r"\midrule",
            *map(_row, self.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def markdown(self) -> str:
        """A table in Markdown with its note below."""
        rule = "|".join(["---", *("---:" for _ in self.columns[1:])])
        lines = ["| " + " | ".join(map(_markdown, row)) + " |" for row in [self.columns, *self.rows]]
        return "\n".join([lines[0], f"|{rule}|", *lines[1:], "", capital(self.note)]).rstrip() + "\n"

    def csv(self) -> str:
        """Comma-separated, heads first."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()


def _row(cells: Sequence[str]) -> str:
    """What follows the break of the row before must not look like its options."""
    row = " & ".join(map(_latex, cells)) + r" \\"
    return f"{{}}{row}" if row.startswith(("[", "*")) else row


def _latex(text: str) -> str:
    signed = re.sub(r"(?<!\w)-(?=\.?\d)", "−", text)
    return "".join(ESCAPED.get(letter, letter) for letter in signed)


def _markdown(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\|<*`" else letter for letter in text.replace("\n", " "))
