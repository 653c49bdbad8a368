"""What an :class:`engine.explain.report.ExplanationReport` is made of."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from engine.explain.measured_evidence import MeasuredEvidence, Part

Badge = Literal["grounded", "partly", "ungrounded"]
"""Best first."""


class Item(Part):
    """An item for readers; ``title`` has the id beside it where another item looks the same."""

    item: int
    """Dense id; beyond the data set's for titles of one's own."""
    raw_id: str
    title: str
    year: int | None = None
    genres: tuple[str, ...] = ()
    known: bool = True
    """Whether the data set has it."""
    interactions: int | None = None
    """In training; ``None`` for titles of one's own."""


class HistoryItem(Item):
    query: str = ""
    """What was typed."""


class Candidate(Item):
    chosen_next: bool = False
    """Whether the user really chose it next."""
    overall: float | None = None
    """Where the row puts it among all items outside the history, where candidates are its best of the catalogue."""


class About(Part):
    """What is explained."""

    model: str
    """The row of the results table that answers, and whose reasons these are."""
    beside: str
    """Another row, whose ranking and reasons stand beside them."""
    teacher: str
    seed: int = 0
    plus: dict[str, float] | None = None
    """How DELRec-plus weighs its parts, by name, teachers first; ``None`` where the run has none."""


class RankedCandidates(Part):
    """How a row ranks the candidates; lists go by their columns."""

    model: str
    scores: tuple[float, ...]
    places: tuple[float, ...]
    margin: float
    """The explained item's lead over the best other candidate."""
    probability: float
    """The explained item's, by the softmax over the candidates."""
    rank: float
    top: int
    """Dense id of the first one."""


class ItemEffects(Part):
    """What the explained item loses when each history item is removed, oldest first."""

    margin: tuple[float, ...]
    probability: tuple[float, ...]


class Effects(Part):
    """Leave-one-out effects by removal operator, of the model and of the row beside it."""

    model: dict[str, ItemEffects]
    beside: dict[str, ItemEffects]
    sign_agreement: dict[str, float]
    """Between operators, ``delete/random``."""
    agreement: dict[str, float | None]
    """Spearman's rank correlation of both rows' effects; ``None`` where one has no order."""
    agreement_sentence: str = ""
    note: str = ""


class Contrast(Part):
    """Why the explained item rather than its rival."""

    chosen: bool
    """Whether the rival was chosen, or is the strongest."""
    rather_than: Item
    lead: float
    effects: tuple[float, ...]


class Raise(Part):
    """A change of one title that raises the item among the candidates, verified by asking about that history alone."""

    rank: float
    """Where it then stands."""
    removed: int | None = None
    """Place in the history of the title that goes ..."""
    added: int | None = None
    """... or the id of the one that is added as the latest."""


class WhyNot(Part):
    """Why the item does not come first."""

    rank: float
    first: int
    """Id of the candidate that comes first in its place."""
    behind: float
    """How far its score lies behind that one's."""
    against: tuple[int, ...]
    """Places of the titles that speak most for the first one rather than for it ..."""
    speaking: tuple[int, ...]
    """... and of those that speak most for it."""
    raised: Raise | None
    """The change of one title that raises it most; ``None`` where none of those tried does."""
    tried: int
    sentence: str = ""


class PartOfSum(Part):
    model: str
    weight: float
    target: float
    rival: float
    lead: float
    effects: tuple[float, ...]
    because: int | None


class SumOfParts(Part):
    """What each part of a row that is a sum adds to the explained item's lead over its rival."""

    model: str
    rather_than: Item
    lead: float
    parts: tuple[PartOfSum, ...]
    sentence: str


class Change(Part):
    """A change of the history after which another candidate comes first; ``verified`` by asking about it alone."""

    kind: Literal["removal", "replacement"]
    positions: tuple[int, ...]
    """Places in the history, ascending."""
    replacements: tuple[int, ...] = ()
    """Ids put there; empty for removals."""
    top_before: int
    """Id of the candidate that came first ..."""
    top_after: int
    """... and of the one that then does."""
    rank_after: float
    """Where the former first candidate lands."""
    smallest: bool
    """Whether all smaller removals were asked and keep the top answer; a replacement is of one item."""
    verified: bool

    @model_validator(mode="after")
    def _in_pairs(self) -> Self:
        if self.kind == "replacement" and len(self.replacements) != len(self.positions):
            raise ValueError("replacements are not as many as the titles that they replace")
        return self


class Counterfactual(Part):
    """The smallest changes that were found within the budget."""

    removal: Change | None
    replacement: Change | None
    single_changes: tuple[int, ...]
    """Positions whose removal alone changes the top answer."""
    asked: int
    """Variants that had to be asked; those known from the effects are not counted."""
    complete: bool
    """Whether the budget sufficed for all removals of up to three items, as far as they were needed."""
    sentence: str


class Summary(Part):
    sentence: str
    fallback: str
    """Stands in where the model wrote nothing that holds."""
    evidence: MeasuredEvidence
    """Everything that a sentence may claim."""


class Piece(Part):
    text: str
    kind: str = "text"
    index: int = -1


class Reading(Part):
    """The exact prompt; the model's own chat template, which is put around it, is left out."""

    segments: tuple[Piece, ...]
    answer: str
    """The beginning of the reply, behind which the candidates are compared."""
    reply: tuple[Piece, ...] = ()
    """What follows it: the titles that the model goes on with, where it is asked so."""
    soft_tokens: int
    """Vectors that stand in the place of the soft segment."""
    tokens: int
    """Length of all that the model gets, with its template."""


class PromptEffect(Part):
    prompt: str
    answer: RankedCandidates
    margin_effect: float


class AdapterEffect(Part):
    answer: RankedCandidates
    margin_effect: float


class PromptAndAdapter(Part):
    prompts: tuple[PromptEffect, ...] | None
    adapter: AdapterEffect | None


class Spread(Part):
    """A quantity over shuffles: mean and standard deviation."""

    mean: float
    sd: float


class OrderOfHistory(Part):
    model: str = ""
    swaps: tuple[float, ...]
    """What the margin loses when items i and i + 1 change places."""
    shuffled_margin: Spread | None
    """Over random orders; ``None`` for a history of one title, as the two below."""
    shuffled_rank: Spread | None
    same_top: float | None
    """Share of the random orders after which the same candidate comes first."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if len({it is None for it in (self.shuffled_margin, self.shuffled_rank, self.same_top)}) > 1:
            raise ValueError("figures of shuffled histories are missing")
        return self


class Order(Part):
    model: OrderOfHistory
    beside: OrderOfHistory


class Stability(Part):
    """The explained item's place while the candidates are listed in other orders."""

    model: str
    shuffles: int
    rank: Spread
    margin: Spread
    probability: Spread
    same_top: float


class Gradients(Part):
    """Integrated gradients of the lead over ``rival``, a dense id."""

    items: tuple[float, ...]
    rival: int
    lead: float
    baseline: float
    steps: int
    completeness_error: float


class CheckedSentence(Part):
    """One sentence and what the evidence says about it."""

    text: str
    verdict: Literal["supported", "neutral", "unsupported"]
    faults: tuple[str, ...] = ()
    """Why it is not supported, in words."""
    statements: int = 0
    """How much it states that can be checked: titles as causes or without which, places, and names."""
    held: int = 0
    """How many of these the evidence supports."""


class Grounding(Part):
    """The verdict on a text."""

    badge: Badge
    """``grounded``: some sentence is supported, none unsupported, and no more than these say what cannot be checked;
    ``partly``: some sentence is supported; else ``ungrounded``."""
    sentences: tuple[CheckedSentence, ...]
    invented: tuple[str, ...]
    """Titles named that are neither in the history nor among the candidates."""
    precision: float | None = None
    """Share of the statements that can be checked which the evidence supports; ``None`` where there are none."""

    @property
    def order(self) -> tuple[int, int, int]:
        """Smaller is better grounded."""
        verdicts = [sentence.verdict for sentence in self.sentences]
        return get_args(Badge).index(self.badge), verdicts.count("unsupported"), -verdicts.count("supported")


class CheckedText(Part):
    """A text about the recommendation, and the verdict on it."""

    text: str
    grounding: Grounding
    weights: str
    """Who wrote it: ``base`` or ``adapter`` for the model without and with its adapter, ``computed`` for nobody: it is
    made of the evidence; else the name of a writer elsewhere."""
    sample: int
    """Its number; -1 for a computed one."""
    begun: str = ""
    """The first words of the text that were given to the model to go on from."""
    note: str = ""
    """Why whoever was asked before did not write it."""


class Rationale(Part):
    request: str
    texts: tuple[CheckedText, ...] = Field(min_length=1)
    """Best first."""


class FreeWords(Part):
    grammar: str
    text: CheckedText


class PartialRationale(Part):
    """Texts that are being written."""

    request: str
    texts: tuple[str, ...]
