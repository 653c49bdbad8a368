"""An inspected recommendation as one HTML file: no script, no network, nothing to press."""

from __future__ import annotations

from engine.explain.report import ExplanationReport
from engine.labels import label
from webapp.html import Html, join, tag
from webapp.inspect.question import Question
from webapp.inspect.subjects import Subjects
from webapp.inspect.views import answer as view
from webapp.inspect.views import expert as expert_view
from webapp.inspect.views import history as history_view
from webapp.inspect.views import reasons as reasons_view
from webapp.inspect.views import words as words_view
from webapp.theme import STATIC

LIGHT = (
    "--body-text-color:#17212d;--body-text-color-subdued:#5a6878;--background-fill-primary:#fff;"
    "--background-fill-secondary:#f6f8fa;--ground:#f6f8fa"
)
DARK = (
    "--body-text-color:#e4eaf1;--body-text-color-subdued:#97a6b7;--background-fill-primary:#151d27;"
    "--background-fill-secondary:#1a2430;--ground:#0e141b"
)
"""Colours that the pages get from their theme."""
FONTS = "--font-mono:ui-monospace,Menlo,Consolas,monospace"
PLAIN = """
body { margin: 0; background: var(--ground); color: var(--body-text-color); font: 15px/1.5 system-ui, sans-serif; }
* { box-sizing: border-box; }
main { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
ol, ul { list-style: none; padding: 0; margin: 0; } p { margin: 0; }
.dr-pair { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 7fr); gap: 16px; }
.dr-three { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); gap: 16px; }
figure { margin: 12px 0; } .dr-svg { width: 100%; max-width: 760px; font-size: 13px; }
.dr-svg text { fill: currentColor; }
@media (max-width: 760px) { .dr-pair { grid-template-columns: minmax(0, 1fr); } }
@media print { body { background: none; } .dr-card { break-inside: avoid; } }
"""


def report(subjects: Subjects, question: Question, answer: ExplanationReport) -> Html:
    """The whole document."""
    run = subjects.run
    title = f"{answer.target.title}, recommended by {run.name}"
    return document(title, _header(subjects, question, answer, title), _cards(subjects, question, answer),
                    measured_by(answer.run.seed))  # fmt: skip


def document(title: str, *content: Html | None) -> Html:
    """A page that needs nothing but itself."""
    body = tag("div", tag("main", *content, class_="prose"), class_="gradio-container")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", styles()),
    )
    return Html(f"<!doctype html>\n{tag('html', head, tag('body', body), lang='en')}\n")


def styles() -> Html:
    """The pages' style sheets, with the theme's colours; dark where the reader's system is."""
    sheets = [(STATIC / name).read_text(encoding="utf-8") for name in ("studio.css", "inspect.css")]
    dark = "".join(_dark(sheet) for sheet in sheets)
    colours = f":root{{{LIGHT};{FONTS}}}@media(prefers-color-scheme:dark){{:root{{{DARK};{dark}}}}}"
    return Html(f"{''.join(sheets)}{colours}{PLAIN}")


def _dark(sheet: str) -> str:
    """The declarations of the sheet's own dark colours."""
    return sheet.partition(".dark {")[2].partition("}")[0].strip()


def _header(subjects: Subjects, question: Question, answer: ExplanationReport, title: str) -> Html:
    who = f"user {subjects.user_labels(question.user)}" if question.user else "titles of one's own"
    if question.edited:
        who += ", history edited"
    row = label(answer.run.model)
    made = f"Run {subjects.run.name} ({subjects.run.id}) · {row}, beside {label(answer.run.beside)}"
    return tag("header", tag("h1", title, class_="dr-title"), tag("p", f"{made} · {who}", class_="dr-lead"))


def _cards(subjects: Subjects, question: Question, answer: ExplanationReport) -> Html:
    cards = history_view.cards(history_view.of_answer(answer), answer, frozen=True)
    history = join([cards, history_view.meaning(answer)])
    threes = (
        reasons_view.rather(answer),
        reasons_view.smallest(answer, subjects.choice, frozen=True),
        reasons_view.confidence(answer),
    )
    return join(
        [
            view.notes(answer),
            _card(view.sentence(answer), "dr-card dr-hero") if answer.summary else None,
            tag("div", _card(history), _card(view.sides(answer, question, frozen=True)), class_="dr-pair"),
            tag("div", [_card(three) for three in threes if three], class_="dr-three"),
            _card(join([words_view.head(), words_view.checked(answer)])) if answer.rationale else None,
            _card(expert_view.fold(answer, question, frozen=True)),
        ]
    )  # fmt: skip


def _card(content: Html, classes: str = "dr-card") -> Html:
    return tag("section", content, class_=classes)


def measured_by(seed: int) -> Html:
    """The last line."""
    text = f"Measured by DELRec Studio by asking the models again with the history changed; seed {seed}."
    return tag("footer", tag("span", text), class_="dr-footer")
