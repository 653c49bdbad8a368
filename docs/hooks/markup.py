"""What pages of the documentation may hold besides Markdown: pieces of the code, and formulas.

``<!-- code: engine.distill.weights.dynamic_weights -->`` becomes the source of that function, class or constant, so an
equation stands beside what computes it. Formulas in TeX become MathML, which browsers draw without any script.
"""

from __future__ import annotations

import ast
import html
import re
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"^<!-- code: ([\w.]+) -->$", re.M)
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put pieces of the code where they are asked for."""
    return CODE.sub(lambda match: _piece(match.group(1)), markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Put MathML where formulas stand.

    Raises:
        ValueError: a command of TeX in a formula is not known.
    """
    from latex2mathml.converter import convert

    def drawn(match: re.Match[str]) -> str:
        block = match.group(2) == "["
        formula = convert(html.unescape(match.group(3)).strip(), display="block" if block else "inline")
        if "\\" in formula:
            raise ValueError(f"no MathML for {match.group(3)}")
        formula = re.sub(r"(<mi>(?:log|exp)</mi>)(?!<mo)", r'\1<mspace width="0.17em"/>', formula)
        return f'<div class="formula">{formula}</div>' if block else formula

    return FORMULA.sub(drawn, content)


def _piece(name: str) -> str:
    """A block of code with its place.

    Raises:
        ValueError: no module defines it.
    """
    path, node = find(name)
    source = path.read_text(encoding="utf-8").splitlines()
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(it.lineno for it in decorators)]) - 1
    text = textwrap.dedent("\n".join(source[first : node.end_lineno]))
    return f'```python title="{path.relative_to(ROOT)}"\n{text}\n```'


def find(name: str) -> tuple[Path, ast.stmt]:
    """Module and statement that define a dotted name.

    Raises:
        ValueError: no module defines it.
    """
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = ROOT.joinpath(*parts[:length]).with_suffix(".py")
        if path.is_file():
            body = ast.parse(path.read_text(encoding="utf-8")).body
            for own in parts[length:]:
                found = next((node for node in body if own in _defined(node)), None)
                if found is None:
                    break
                body = getattr(found, "body", [])
            else:
                return path, found
    raise ValueError(f"no module defines {name}")


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}
