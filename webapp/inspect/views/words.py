"""The generated reasoning: the model's own words after the fact, with the verdict of the check on each sentence."""

from __future__ import annotations

from collections.abc import Sequence

from engine.config import ExplainConfig
from engine.explain.endpoint import name_of
from engine.explain.report import ExplanationReport
from engine.explain.report_parts import CheckedSentence, CheckedText, Grounding
from engine.labels import label
from webapp.html import Html, join, tag
from webapp.inspect.question import Question
from webapp.inspect.views.answer import both
from webapp.inspect.views.buttons import asking
from webapp.inspect.views.titles import readable
from webapp.layout import notice

BADGES = {
    "grounded": ("Grounded in the measurements", "dr-done"),
    "partly": ("Partly grounded", "dr-interrupted"),
    "ungrounded": ("Not grounded", "dr-failed"),
}
WRITERS = {
    "base": "written by the language model, adapter off",
    "adapter": "written by the fine-tuned model, adapter on",
    "computed": "computed from the measurements: nothing that the model wrote held",
}
WARNING = (
    "Such texts are made up after the fact. The model was given the measured evidence and writes under a grammar made "
    "of it: titles, directions and places are the measured ones, which of them it tells and how is its choice. Every "
    "statement is then checked against the evidence."
)


def head() -> Html:
    """What the box is."""
    return join([tag("h2", "In the model's own words, after the fact"), tag("p", WARNING, class_="dr-hint")])


def offered() -> Html:
    """The button where nothing is written by itself."""
    text = tag(
        "span", "Writing takes a while and the next edit would stop it, so it starts on demand.", class_="dr-muted"
    )
    return tag(
        "div", asking("Let the model write", {"words": "base"}, class_="dr-small-button"), text, class_="dr-walk"
    )


def elsewhere(config: ExplainConfig) -> Html | None:
    """The button for the writer that the run names besides its own model, and what it sends there."""
    if not config.writer_url:
        return None
    name = name_of(config)
    text = (
        f"Sends this recommendation's titles and measurements from this machine to {name}. Its words are checked too."
    )
    ask = asking(f"Let {config.writer_model} write", {"words": "elsewhere"}, class_="dr-small-button")
    return tag("div", ask, tag("span", text, class_="dr-muted"), class_="dr-walk")


def stopped() -> Html:
    """What stands in the place of a text that was not written to its end."""
    text = "Stopped, because something newer was asked before the text was done. Nothing of it was kept."
    return tag(
        "div", tag("span", "Stopped", class_="dr-badge dr-interrupted"), tag("span", text, class_="dr-muted"),
        asking("Let the model write", {"again": True}, class_="dr-small-button"), class_="dr-walk",
    )  # fmt: skip


def growing(answer: ExplanationReport, state: str = "running") -> Html:
    """The text as far as it is written, not checked yet; before its first word, what the measurements say.

    Args:
        answer: the explanation as far as it is measured.
    """
    writing = answer.writing if state == "running" else None
    texts = [text.strip() for text in writing.texts if text.strip()] if writing else []
    if not writing or not texts:
        waits = "The model begins to write …" if state == "running" else "The model writes next."
        return join([_measured(answer), tag("p", waits, class_="dr-muted")])
    again = f" · text {len(texts)}, because the one before did not hold" if len(texts) > 1 else ""
    return join(
        [
            tag("span", f"Being written, not checked yet{again}", class_="dr-badge dr-running"),
            tag(
                "p", readable(texts[-1], answer), tag("i", class_="dr-caret", aria_hidden="true"), class_="dr-own-words"
            ),
        ]
    )


def _measured(known: ExplanationReport) -> Html:
    """What can be said already without the model's words: the evidence in a sentence, or the places alone."""
    if known.summary is not None:
        text = known.summary.fallback
    else:
        there = " and at ".join(f"#{rung.rank:g} for {label(rung.model)}" for rung in reversed(both(known)))
        text = f"{known.target.title} stands at {there}. Which titles speak for it is being measured."
    return tag("div", tag("span", "Computed from the measurements, until the model's words come", class_="dr-label"),
               tag("p", readable(text, known), class_="dr-own-words"))  # fmt: skip


def checked(answer: ExplanationReport) -> Html | None:
    """All texts with their verdicts, the best grounded open."""
    if answer.rationale is None:
        return None
    best, *others = answer.rationale.texts
    more = None
    if others:
        count = "text" if len(others) == 1 else "texts"
        more = tag("details", tag("summary", f"{len(others)} other {count}, less well grounded or telling less"),
                   [written(text, answer) for text in others], class_="dr-more")  # fmt: skip
    return join([written(best, answer), more])


def written(text: CheckedText, answer: ExplanationReport) -> Html:
    """A text with the verdict on it, sentence by sentence."""
    found = text.grounding
    words, kind = BADGES[found.badge]
    held = None if found.precision is None else f"{found.precision:.0%} of its statements are as measured"
    who = WRITERS.get(text.weights, f"written by {text.weights}")
    if text.note:
        who = f"{who.partition(':')[0]}: {text.note}"
    sentences = [_sentence(sentence, found.invented, answer) for sentence in found.sentences]
    body = tag("p", sentences, class_="dr-own-words") if sentences else notice("info", "It wrote nothing.")
    return tag(
        "article",
        tag("div", tag("span", words, class_=f"dr-badge {kind}"),
            tag("span", " · ".join(filter(None, (who, held))), class_="dr-muted"), class_="dr-facts"),
        body,
        _faults(found, answer),
        data_badge=found.badge,
        data_weights=text.weights,
    )  # fmt: skip


def _sentence(sentence: CheckedSentence, invented: Sequence[str], answer: ExplanationReport) -> Html:
    verdict = sentence.verdict
    if verdict != "unsupported":
        return join([tag("span", readable(sentence.text, answer), class_=f"dr-{verdict}"), " "])
    faults = "; ".join(sentence.faults)
    text: list[Html | str] = [sentence.text]
    for title in invented:
        text = [piece for part in text for piece in _struck(part, title)]
    text = [part if isinstance(part, Html) else readable(part, answer) for part in text]
    return join([tag("span", text, class_="dr-unsupported", title=faults),
                 tag("span", f" (not supported: {faults})", class_="dr-sr"), " "])  # fmt: skip


def _struck(part: Html | str, title: str) -> list[Html | str]:
    """The pieces of a text with an invented title struck out."""
    if isinstance(part, Html) or not title or title not in part:
        return [part]
    pieces: list[Html | str] = []
    for number, piece in enumerate(part.split(title)):
        pieces += [tag("s", title)] if number else []
        pieces.append(piece)
    return pieces


def _faults(found: Grounding, answer: ExplanationReport) -> Html | None:
    faults = [fault for sentence in found.sentences for fault in sentence.faults]
    listed = [tag("li", readable(fault, answer)) for fault in dict.fromkeys(faults)]
    return tag("ul", listed, class_="dr-faults", aria_label="What the evidence does not support") if listed else None


def editor(answer: ExplanationReport, question: Question) -> Html:
    """The request that the model got, to be changed and sent again."""
    asked = answer.rationale.request if answer.rationale else ""
    adapter = question.words == "adapter"
    return tag(
        "form",
        tag("label", "What the model was asked to write", for_="inspect-prompt"),
        tag("textarea", asked, id="inspect-prompt", name="prompt", rows=8, maxlength=4000),
        tag("div", tag("label", tag("input", type="checkbox", name="adapter", checked=adapter),
                       " with the fine-tuned weights (adapter on)"),
            tag("button", "Write again", type="submit"), class_="dr-walk"),
        data_words_form=True,
        class_="dr-paste",
    )  # fmt: skip
