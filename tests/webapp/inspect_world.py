"""One explanation, small enough to be read, with titles that are code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.explain.report import ExplanationReport
from engine.explain.report_parts import PartialRationale

HOSTILE = '<img src=x onerror="window.pwned=1"> ${window.pwned=2} {{7*7}}'


def item(number: int, title: str, **more: Any) -> dict[str, Any]:
    """An item of an explanation."""
    known = {"item": number, "raw_id": str(number + 1), "title": title, "year": 1999, "genres": ["Drama", "<b>War"]}
    return {**known, "known": True, "interactions": 20, **more}


def rung(model: str, *scores: float) -> dict[str, Any]:
    """What a model answered about the three candidates."""
    places = [1.0 + sum(other > score for other in scores) for score in scores]
    top = max(range(3), key=lambda column: scores[column])
    return {"model": model, "scores": list(scores), "places": places, "margin": 0.5, "probability": 0.4,
            "rank": places[1], "top": top + 10}  # fmt: skip


def spread(mean: float, sd: float) -> dict[str, float]:
    """A mean with its spread."""
    return {"mean": mean, "sd": sd}


def explanation() -> dict[str, Any]:
    """All parts; item 11 is explained, item 12 was really chosen."""
    effects = {"margin": [1.2, -0.4], "probability": [0.1, -0.05]}
    change = {"kind": "removal", "positions": [0], "replacements": [], "top_before": 11, "top_after": 10,
              "rank_after": 3.0, "smallest": True, "verified": True}  # fmt: skip
    return {
        "run_id": "r-abc234",
        "run": {"model": "delrec", "beside": "sasrec", "teacher": "sasrec", "seed": 7, "plus": None},
        "target": item(11, "The Target"),
        "history": [{**item(1, HOSTILE), "query": HOSTILE}, {**item(2, "Second"), "query": "second"}],
        "candidates": [
            item(10, "Rival", chosen_next=False),
            item(11, "The Target", chosen_next=False),
            item(12, HOSTILE, chosen_next=True),
        ],
        "answer": rung("delrec", 1.0, 1.5, 0.2),
        "beside": rung("sasrec", 3.0, -1.0, 2.0),
        "notes": [f"Not in the catalogue: {HOSTILE}"],
        "ladder": [
            rung("sasrec", 3.0, -1.0, 2.0),
            rung("llm-zero-shot", 0.1, 0.2, 0.3),
            rung("llm-distilled", 0.5, 0.4, 0.3),
            rung("delrec", 1.0, 1.5, 0.2),
        ],
        "summary": {
            "sentence": f"The Target mainly because of {HOSTILE}; without that one it falls from #1 to #3.",
            "fallback": "The Target.",
            "evidence": {"history": [{"effect": 1.2}, {"effect": -0.4}]},
        },
        "effects": {
            "model": {"delete": effects, "placeholder": effects, "random": effects},
            "beside": {"delete": {"margin": [-3.0, 0.0], "probability": [0.0, 0.0]}},
            "sign_agreement": {"delete/random": 1.0},
            "agreement": {"delete": -1.0},
            "note": "They do not add up.",
        },
        "rather": {"chosen": False, "rather_than": item(10, "Rival"), "lead": 0.5, "effects": [0.9, -0.1]},
        "counterfactual": {
            "removal": change,
            "replacement": {**change, "kind": "replacement", "replacements": [33], "rank_after": 2.0},
            "single_changes": [0],
            "asked": 3,
            "complete": True,
            "sentence": "Removing a single title changes the top answer (1 of them does).",
        },
        "stability": {"model": "delrec", "shuffles": 8, "rank": spread(1.5, 0.7), "margin": spread(0.2, 0.1),
                      "probability": spread(0.4, 0.1), "same_top": 0.5},
        "prompt": {
            "prompts": [{"prompt": "removed", "answer": rung("x", 2.0, 1.0, 0.0), "margin_effect": 1.5}],
            "adapter": None,
        },
        "order": {
            "model": {"swaps": [0.3], "shuffled_rank": spread(2, 1), "shuffled_margin": spread(0, 1), "same_top": 0.5},
            "beside": {"swaps": [0.0], "shuffled_rank": None, "shuffled_margin": None, "same_top": None},
        },
        "gradients": {"items": [0.6, -0.2], "rival": 10, "lead": 0.5, "baseline": 0.11, "steps": 16,
                      "completeness_error": 0.01},
        "reading": {
            "segments": [
                {"text": "Guess: ", "kind": "text", "index": -1},
                {"text": "", "kind": "soft", "index": -1},
                {"text": HOSTILE, "kind": "history", "index": 0},
            ],
            "reply": [{"text": HOSTILE, "kind": "history", "index": 1}],
            "answer": "The next movie is", "soft_tokens": 4, "tokens": 99,
        },
        "rationale": {"request": f"Explain {HOSTILE}", "texts": [written("partly")]},
        "free": {"grammar": f'start: "{HOSTILE}"', "text": written("ungrounded")},
    }  # fmt: skip


def facts() -> dict[str, Any]:
    """The question and the ranking alone."""
    named = ("run_id", "run", "target", "history", "candidates", "answer", "beside", "notes")
    return {name: value for name, value in explanation().items() if name in named}


def read(answer: Mapping[str, Any] | None = None) -> ExplanationReport:
    """As the page reads it; the whole :func:`explanation` by default."""
    return ExplanationReport.read(explanation() if answer is None else answer)


def written(badge: str, weights: str = "base") -> dict[str, Any]:
    """A text of three sentences, the last of which invents a title."""
    sentences = [
        {"text": f"It follows from {HOSTILE}.", "verdict": "supported", "faults": []},
        {"text": "Enjoy.", "verdict": "neutral", "faults": []},
        {"text": "And from Jaws 9 too.", "verdict": "unsupported", "faults": ["“Jaws 9” is not there"]},
    ]
    text = " ".join(sentence["text"] for sentence in sentences)
    grounding = {"badge": badge, "sentences": sentences, "invented": ["Jaws 9"], "precision": 0.5}
    return {"text": text, "weights": weights, "sample": 0, "grounding": grounding, "note": ""}


def being_written(answer: ExplanationReport, *texts: str) -> ExplanationReport:
    return answer.model_copy(update={"writing": PartialRationale(request="", texts=texts)})
