"""What the page *Inspect* asks: one question, all of which stands in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from engine.data.references import by_id, checked_titles, id_in, join_titles, split_titles, tidy
from engine.errors import StudioError
from engine.explain.report import CandidatePool
from webapp.formatting import number_in_address

WriterWeights = Literal["", "base", "adapter", "elsewhere"]

REASONS = ("summary", "effects", "rather", "why_not", "parts", "counterfactual", "stability")
"""Parts of the explanation that everybody sees, cheap ones first; who ranks how comes with any of them."""
WORDS, FREE, RATHER = "rationale", "free", "rather"
DEPTHS = ("ladder", "reading", "prompt", "order", "gradients", FREE)
"""Parts that only the expert fold shows."""
WITH = {"counterfactual": ("summary",), WORDS: ("counterfactual",), FREE: ("counterfactual",)}
"""What is measured together, because the sentences made of it are better for it."""
WEIGHTS: tuple[WriterWeights, ...] = ("base", "adapter", "elsewhere")
MOST_ATTEMPTS = 1000
LONGEST_TITLE = 2000
LONGEST_PROMPT = 4000


@dataclass(frozen=True)
class Question:
    """Whose recommendation by which run, and how it is looked at."""

    run: str = ""
    user: str = ""
    """A test user by id in the data set; with ``titles``, the one whose history was edited."""
    titles: tuple[str, ...] | None = None
    """A history of one's own, oldest first: titles and references; empty while none is typed yet."""
    model: str = ""
    """The row of the results table that is explained; the one that answers for the run by default if empty."""
    beside: str = ""
    """The row whose reasons stand beside; the teacher, or what learned from it, if empty."""
    item: str = ""
    """The candidate to explain, by id in the data set; the model's first if empty."""
    rival: str = ""
    """The candidate that it is held against, by id in the data set; the strongest other one if empty."""
    candidates: CandidatePool = "sampled"
    group: str = ""
    """The group by which the user was found."""
    expert: bool = False
    words: WriterWeights = ""
    """Which weights write the generated reasoning, where that was chosen; ``elsewhere``: the run's endpoint."""
    attempt: int = 1
    """How often that endpoint was asked."""
    pressed: bool = False
    """Whether its reader has just asked for that. It stands in no address: nothing leaves this machine unasked."""
    prompt: str = ""
    """What they are asked, where that was edited."""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Question:
        """The question of an address; values that make no sense are left out."""
        titles = query.get("titles")
        words: WriterWeights = next((name for name in WEIGHTS if name == query.get("words")), "")
        return cls(
            run=query.get("run", ""),
            user=query.get("user", ""),
            titles=None if titles is None else tuple(split_titles(titles)),
            model=query.get("model", ""),
            beside=query.get("beside", ""),
            item=query.get("item", ""),
            rival=query.get("rival", ""),
            candidates="catalogue" if query.get("candidates") == "catalogue" else "sampled",
            group=query.get("by", ""),
            expert=query.get("view") == "expert",
            words=words,
            attempt=number_in_address(query.get("attempt", ""), MOST_ATTEMPTS),
            prompt=query.get("prompt", "")[:LONGEST_PROMPT],
        )

    @staticmethod
    def parse(address: str) -> dict[str, str]:
        """The query of an address as :meth:`read` takes it."""
        return dict(parse_qsl(address.lstrip("?"), keep_blank_values=True))

    def query(self) -> dict[str, str]:
        """What :meth:`read` reads back."""
        values = {
            "run": self.run,
            "user": self.user,
            "model": self.model,
            "beside": self.beside,
            "item": self.item,
            "rival": self.rival,
            "candidates": "" if self.candidates == "sampled" else self.candidates,
            "by": self.group,
            "view": "expert" if self.expert else "",
            "words": self.words,
            "attempt": str(self.attempt) if self.attempt > 1 else "",
            "prompt": self.prompt,
        }
        given = {name: value for name, value in values.items() if value}
        return given if self.titles is None else {**given, "titles": join_titles(self.titles)}

    def address(self, page: str = "./inspect") -> str:
        """Where this view is found again, relative to any page."""
        return f"{page}?{urlencode(self.query())}"

    @property
    def own(self) -> bool:
        """Whether the history is nobody's but the visitor's."""
        return self.titles is not None and not self.user

    @property
    def edited(self) -> bool:
        """Whether it is a test user's history with changes."""
        return self.titles is not None and bool(self.user)

    @property
    def complete(self) -> bool:
        """Whether it can be asked."""
        return bool(self.run and (self.titles if self.titles is not None else self.user))

    @property
    def writes(self) -> bool:
        """Whether the model is to write: on demand where titles are edited: the next edit would stop it."""
        return self.titles is None or bool(self.words)

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts to ask for, in this order."""
        return (*REASONS, *((WORDS,) if self.writes else ()), *(DEPTHS if self.expert else ()))

    def request(self, part: str) -> dict[str, Any]:
        """The request of one part, see :class:`jobs.requests.ExplainRequest`."""
        asked: dict[str, Any] = {"parts": [*WITH.get(part, ()), part]}
        if self.user:
            asked["user"] = self.user
        if self.titles is not None:
            asked["titles"] = list(self.titles)
        asked |= {name: row for name, row in (("model", self.model), ("beside", self.beside)) if row}
        if self.item:
            asked["item"] = by_id(self.item)
        if self.rival and part == RATHER:
            asked["rival"] = by_id(self.rival)
        if self.candidates == "catalogue" and not self.own:
            asked["candidates"] = self.candidates
        if part in (WORDS, FREE) and self.words == "adapter":
            asked["rationale_adapter"] = True
        if part in (WORDS, FREE) and self.prompt:
            asked["rationale_prompt"] = self.prompt
        if part == WORDS and self.words == "elsewhere":
            asked["rationale_elsewhere"] = self.attempt
        return asked

    def changed(self, action: Mapping[str, Any]) -> Question:
        """The question after something was chosen in the page.

        Raises:
            StudioError: too many titles, or titles that are none.
        """
        fresh = replace(self, pressed=self.words == "elsewhere" and "again" in action)
        if "run" in action:
            fresh = Question(run=str(action["run"]), model=self.model, beside=self.beside, expert=self.expert)
            if self.own:
                fresh = replace(fresh, titles=self.titles)
        if "user" in action:
            user, group = str(action["user"]).strip(), str(action.get("group", ""))
            kept = {name: getattr(self, name) for name in ("model", "beside", "candidates", "expert")}
            fresh = Question(fresh.run, user, group=group, **kept)
        if "text" in action:
            pasted = sound_titles(split_titles(str(action["text"])))
            fresh = replace(fresh, titles=pasted, item="", rival="", prompt="")
        if "titles" in action:
            fresh = replace(fresh, titles=sound_titles(action["titles"]), item="", rival="", prompt="", words="")
        if action.get("own"):
            fresh = replace(fresh, user="", group="")
        if "model" in action or "beside" in action:  # the same item by another row
            rows = [str(action.get(name, getattr(fresh, name))) for name in ("model", "beside")]
            beside = rows[1] if rows[1] != rows[0] else ""
            fresh = replace(fresh, model=rows[0], beside=beside, rival="", prompt="", words="")
        if "item" in action:
            fresh = replace(fresh, item=str(action["item"]), rival="", prompt="")
        if "rival" in action:
            fresh = replace(fresh, rival=str(action["rival"]))
        if "why" in action:
            fresh = replace(fresh, item=_item(str(action["why"])), rival="", prompt="")
            fresh = fresh if fresh.own else replace(fresh, candidates="catalogue")
        if action.get("candidates") in ("sampled", "catalogue"):
            fresh = replace(fresh, candidates=action["candidates"], item="", rival="", prompt="")
        if "expert" in action:
            fresh = replace(fresh, expert=bool(action["expert"]))
        if action.get("words") in WEIGHTS:
            there = action["words"] == "elsewhere"
            fresh = replace(
                fresh, attempt=self.attempt + 1 if there and self.words == "elsewhere" else 1, pressed=there
            )
            fresh = replace(fresh, words=action["words"], prompt=str(action.get("prompt", ""))[:LONGEST_PROMPT].strip())
        return fresh


def _item(reference: str) -> str:
    """The id that a reference holds.

    Raises:
        StudioError: it is none.
    """
    raw_id = id_in(reference)
    if raw_id is None:
        raise StudioError(
            f"the catalogue has no title like {reference[:80]!r}", remedy="choose one that shows while you type"
        )
    return raw_id


def sound_titles(titles: Any) -> tuple[str, ...]:
    """A list of titles as the page sends it.

    Raises:
        StudioError: no list of texts, or a longer one than is read.
    """
    if not isinstance(titles, Sequence) or isinstance(titles, str):
        raise StudioError("that is no list of titles", where="titles")
    texts = [tidy(str(title))[:LONGEST_TITLE] for title in checked_titles(titles)]
    return tuple(text for text in texts if text)
