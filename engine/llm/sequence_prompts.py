"""The three prompts as lists of titles that the model goes on with (``llm.prompts=sequence``).

The request asks for such a list, the reply is one: titles one a line, each of them a question (what comes next?), and
so is what follows the last. Nothing of the candidates is read, so one text serves all of them, the whole catalogue too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from engine.llm.prompts import ItemIds, Prompt, Prompts, Segment

Verb = Literal["Refer to", "Simulate", "Analyse"]


class SequencePrompts(Prompts):
    """Writes LSR, RPS and TA in this form; candidates that are passed leave no trace in the text."""

    def lsr(self, history: ItemIds, candidates: ItemIds, soft: bool) -> Prompt:
        """What the user goes on with."""
        return self._going_on(history, "Refer to" if soft else None)

    def rps(self, history: ItemIds, candidates: ItemIds, shown_ranks: ItemIds = ()) -> Prompt:
        """What the teacher expects next; its ranks are never shown."""
        return self._going_on(history, "Simulate")

    def ta(
        self,
        demo_history: ItemIds,
        demo_pair: tuple[int, int],
        history: ItemIds,
        revealed_next: int | None,
        candidates: ItemIds,
    ) -> Prompt:
        """What stands, hidden, between the titles before it and the one after; the list itself is the demonstration."""
        return self.hidden([*demo_history, demo_pair[0], *history], revealed_next)

    def hidden(self, history: ItemIds, revealed_next: int | None) -> Prompt:
        """TA for the item between ``history``, oldest first, and ``revealed_next``, which ``None`` keeps back."""
        noun = self.words.noun
        revealed = self._lines([]) if revealed_next is None else [self._title(revealed_next), Segment("\n")]
        asked = [Segment(f" (a hidden {noun})\n"), *revealed, Segment(f" The hidden {noun} is:\n")]
        return Prompt(tuple(self._request("Analyse")), "", (*self._lines(history), *asked), tuple(history))

    def _going_on(self, history: ItemIds, verb: Verb | None) -> Prompt:
        return Prompt(tuple(self._request(verb)), "", tuple(self._lines(history)), tuple(history))

    def _request(self, verb: Verb | None) -> list[Segment]:
        """The request; without a verb nothing is said of a teacher."""
        task = f"the {self.words.noun}s a user {self.words.does}, in order, one a line."
        if verb is None:
            return [Segment(f"List {task}")]
        return self._with_soft(f"{verb} {self.teacher}'s pattern and list {task}")

    def _lines(self, items: ItemIds) -> Iterator[Segment]:
        for index, item in enumerate(items):
            yield self._title(item, "history", index)
            yield Segment("\n")
