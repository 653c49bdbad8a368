"""The model's own words after the fact: written from the measured evidence, then checked against it.

Such texts are rationalisations (Turpin et al. 2023): what they say is believed only as far as the check goes. They are
written under a grammar that lets nothing but the evidence be stated; what the model writes freely is for comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from engine.config_explain import ExplainConfig
from engine.errors import StudioError
from engine.explain.endpoint import WriterFailed, name_of, write_there
from engine.explain.evidence import Evidence
from engine.explain.grammar import NAMED, grammar, sides
from engine.explain.grounding import SENTENCE_END, check
from engine.explain.report_parts import CheckedText
from engine.explain.sentence import fallback, teacher_label
from engine.explain.writer import MOST_TOKENS, write, write_under
from engine.labels import listed
from engine.llm import Backbone
from engine.seeds import derive

SAMPLES = 3
"""Texts that are written at most until one holds."""
MOST_SENTENCES = 4
ENDED = re.compile(r"[^\d\s.][.!?][\"”’')]*$")

OnText = Callable[[int, str], None]
"""Called with the sample's number and each piece of its text, as it is written."""


@dataclass(frozen=True)
class WriterOptions:
    """How the model is asked for its own words."""

    prompt: str | None = None
    """Instead of the request that is made of the evidence."""
    adapter: bool = False
    """Whether the fine-tuned weights write, or the base ones."""
    samples: int = SAMPLES
    elsewhere: bool = False
    """Whether the endpoint of the run's ``explain.writer_url`` is asked first."""


def request(evidence: Evidence) -> str:
    """What the language model is asked, with what was measured; may be edited before it is sent."""
    noun, target, found = evidence.noun, evidence.target, evidence.necessity
    speaking, against = (listed(titles[:NAMED]) if titles else "none" for titles in sides(evidence))
    lines = [
        f"A recommender puts the {noun} {target} at #{evidence.rank:g} of {len(evidence.candidates)} candidates.",
        "It was asked again without titles of the user's history.",
        f"Titles that speak for it, the strongest first: {speaking}.",
        f"Titles that speak against it: {against}.",
    ]
    if found:
        then = f"#{found.rank_after:g} instead of #{found.rank_before:g}"
        leads = "" if found.top_after == target else f", and {found.top_after} comes first"
        lines.append(f"Without {listed(found.titles)} it stands at {then}{leads}.")
    return "\n".join(
        [
            *lines,
            f"Another model, {teacher_label(evidence)}, puts it at #{evidence.teacher_rank:g}.",
            f"Explain the recommendation in two to four short sentences. Name no {noun} that is not listed here and "
            "give no other reasons.",
        ]
    )


def beginning(evidence: Evidence, sample: int) -> str:
    """First words for the model to go on from, which keep a small one to the point; every third text begins freely."""
    if sample % SAMPLES == SAMPLES - 1 or not any(item.mattered and item.effect > 0 for item in evidence.history):
        return ""
    return f"{evidence.target} is recommended mainly because of"


def rationales(
    backbone: Backbone,
    evidence: Evidence,
    *,
    adapter: bool = False,
    samples: int = SAMPLES,
    seed: int = 0,
    asked: str | None = None,
    elsewhere: ExplainConfig | None = None,
    on_text: OnText | None = None,
) -> list[CheckedText]:
    """Texts of the model under the :func:`grammar` of the evidence, best grounded first.

    It writes until one of them holds. A computed one leads where none does, and stands alone where none can be written.

    Args:
        adapter: whether the fine-tuned weights write, or the base ones.
        samples: texts to write at most, each drawn anew.
        asked: an edited request instead of :func:`request`.
        elsewhere: an endpoint that is asked first; the model writes where that fails, or writes what does not hold.
    """
    report = on_text or (lambda _sample, _piece: None)
    who = "adapter" if adapter else "base"
    written: list[CheckedText] = []
    note = ""

    def stream(pieces: Iterator[str], writer: str) -> bool:
        """Whether this text holds."""
        text, sample = "", len(written)
        for piece in pieces:
            report(sample, piece)
            text += piece
        written.append(_checked(text.strip(), evidence, writer, sample, note=note))
        return written[-1].grounding.badge == "grounded"

    if elsewhere:
        name = name_of(elsewhere)
        try:
            if stream(write_there(elsewhere, asked or request(evidence)), name):
                return written
            note = f"what {name} wrote did not hold"
        except WriterFailed as error:
            note = error.what
    try:
        own = derive(seed, evidence.target, *(item.title for item in evidence.history))
        replies = write_under(backbone, asked or request(evidence), grammar(evidence), adapter=adapter, seed=own)
        any(stream(pieces, who) for pieces in islice(replies, samples))
    except StudioError as error:  # no grammar that can be followed, or titles that are longer than the context
        note = "; ".join(filter(None, (note, error.what)))
    except UnicodeEncodeError:
        note = "; ".join(filter(None, (note, "a title of the evidence is no text that can be written")))
    written.sort(key=lambda rationale: rationale.grounding.order)
    if not written or written[0].grounding.badge != "grounded":
        written.insert(0, _checked(fallback(evidence), evidence, "computed", -1, note=note))
    return written


def _checked(text: str, evidence: Evidence, weights: str, sample: int, **about: str) -> CheckedText:
    return CheckedText(text=text, grounding=check(text, evidence), weights=weights, sample=sample, **about)


def freely(
    backbone: Backbone,
    evidence: Evidence,
    sample: int = 0,
    *,
    adapter: bool = False,
    seed: int = 0,
    asked: str | None = None,
) -> CheckedText:
    """The model's text number ``sample`` without the grammar, by default the likeliest, and the verdict on it."""
    begun = "" if asked else beginning(evidence, sample)
    prompt = asked or request(evidence)
    pieces = write(backbone, prompt, adapter=adapter, begin=begun, sample=sample, seed=seed, most=MOST_TOKENS)
    text = "".join((begun, *_to_the_point(pieces, begun))).strip()
    return _checked(text, evidence, "adapter" if adapter else "base", sample, begun=begun)


def _to_the_point(pieces: Iterator[str], begun: str) -> Iterator[str]:
    """The pieces until as many sentences stand as were asked for, or one comes a second time."""
    text = begun
    for piece in pieces:
        text += piece
        done = [sentence.strip() for sentence in SENTENCE_END.split(text)]
        if done[-1] and done[-1] in done[:-1]:
            return
        yield piece
        if len(done) > MOST_SENTENCES or (len(done) == MOST_SENTENCES and ENDED.search(text)):
            return
