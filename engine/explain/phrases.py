"""What sentences about a recommendation may be made of: templates by what they tell, and the choices for each slot.

A template's slots stand in braces. Small slots hold one of these phrases or what was measured, see
:mod:`engine.explain.grammar`; one that is written large begins with a capital. A template whose slots the evidence
leaves empty is not offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SENTENCES: Mapping[str, Sequence[str]] = {
    "reason": (
        "{target} {placed} {cause} {speaking}.",
        "{Of_all}, {target} {stands} {cause} {speaking}.",
        "{Cause} {speaking}, {target} {placed}.",
        "{target} owes its place {mainly} to {speaking}.",
        "{strongest} is {the_main_reason} why {target} {placed}.",
        "{strong} are {the_main_reasons} why {target} {placed}.",
        "{The_main_reason} why {target} {placed} is {strongest}.",
        "{The_main_reason} why {target} {placed} is {strongest}, {followed_by} {next_strongest}.",
        "{The_main_reasons} why {target} {placed} are {strong}.",
        "{target} {placed}, and {the_main_reason} is {strongest}.",
        "{target} {placed}, and {the_main_reasons} are {strong}.",
        "{strongest} {speaks_for} {target}.",
        "{strongest} {speaks_for} {target}, {followed_by} {next_strongest}.",
        "{strong} {speak_for} {target}.",
        "It is {mainly} {strongest} that speaks for {target}.",
        "It is {mainly} {strong} that speak for {target}.",
        "What speaks {most} for {target} is {strongest}.",
        "What speaks {most} for {target} is {strongest}, {followed_by} {next_strongest}.",
        "{Among}, {strongest} {speaks_for} {target}.",
        "{Among}, {strong} {speak_for} {target}.",
        "The {user} {watched} {strongest}, which {speaks_for} {target}.",
        "The {user} {watched} {strong}, which {speak_for} {target}.",
    ),
    "no reason": (
        "No single title of the {history} {clearly} speaks for {target}, which {placed}.",
        "{target} {placed}, but no single title of the {history} {clearly} speaks for it.",
        "None of the titles in the {history} {clearly} speaks for {target}, which {placed}.",
    ),
    "against": (
        "{yet}{weakest} {speaks_against} {it}.",
        "{yet}{weak} {speak_against} {it}.",
        "{Yet_what} speaks {most} against {it} is {weakest}.",
    ),
    "despite": (
        "This is so {despite} {weakest}, which {speaks_against} {it}.",
        "This is so {despite} {weak}, which {speak_against} {it}.",
        "This is so {although} {weakest} {speaks_against} {it}.",
        "This is so {although} {weak} {speak_against} {it}.",
    ),
    "only against": (
        "{If_anything}, {weakest} {speaks_against} {it}.",
        "{If_anything}, {weak} {speak_against} {it}.",
        "What speaks {most} against {it} is {weakest}.",
    ),
    "nothing against": (
        "No single title of the {history} {clearly} speaks against {it}.",
        "None of the titles in the {history} {clearly} speaks against {it}.",
        "There is no title in the {history} that {clearly} speaks against {it}.",
    ),
    "falls": (
        "Without {carrying}, it {falls} {down}.",
        "It {falls} {down} without {carrying}.",
        "With {carrying} left out, it {falls} {down}.",
        "If the {user} had not {had_watched} {carrying}, it would {fall} {down}.",
    ),
    "replaced": (
        "Without {carrying}, it {drops} {down}, and {successor} {takes_over}.",
        "Without {carrying}, it would {fall} {down}, and {successor} would {take_over}.",
        "It {drops} {down} without {carrying}, and {successor} {takes_over}.",
        "It would {fall} {down} without {carrying}, and {successor} would {take_over}.",
        "With {carrying} left out, it {drops} {down}, and {successor} {takes_over}.",
        "If the {user} had not {had_watched} {carrying}, it would {fall} {down}, and {successor} would {take_over}.",
    ),
    "stays": (
        "Even without {spare}, it {stays} {before}.",
        "It {stays} {before} even without {spare}.",
        "With {spare} left out, it still {stays} {before}.",
        "If {spare} {left_out}, it still {stays} {before}.",
        "If the {user} had not {had_watched} {spare}, it would still {stay} {before}.",
    ),
    "teacher": (
        "{compared}{teacher} {ranks} {it} {as_teacher}.",
        "{Teacher_name} {ranks} {it} {as_teacher}.",
        "{teacher} {and_so} {it} {as_teacher}.",
        "{Teacher_name} {and_so} {it} {as_teacher}.",
    ),
}
"""By what they tell. A sentence with ``{it}`` names the target instead where another candidate was named before it."""
ALTERNATIVES: Mapping[str, Sequence[str]] = {"against": ("against", "despite"), "falls": ("falls", "replaced")}
"""Kinds of sentences that tell the same, of which a text has one."""
RIGHT_AFTER_FIRST = "despite"
"""The kind that points back to the first sentence, behind which it stands."""
NAMES_ANOTHER = "replaced"
"""The kind after which "it" would be another candidate."""

FIRST_PLACED = (
    "is recommended", "is suggested", "comes first", "is ranked first", "takes first place", "leads the list",
    "is the first choice", "comes out on top", "stands at #1",
)  # fmt: skip
FIRST_STANDS = ("comes first", "is ranked first", "takes first place", "comes out on top", "stands at #1")
"""Such as a number of candidates may go before."""
PLACED = ("stands at", "is placed at", "ranks at", "comes in at", "is ranked at", "lands at", "is put at")
"""Before the rank."""

YET = (
    "However, ", "On the other hand, ", "At the same time, ", "Still, ", "Yet ", "Then again, ", "That said, ", "But ",
)  # fmt: skip
"""Before a sentence that turns."""

CHOICES: Mapping[str, Sequence[str]] = {
    "cause": [
        f"{much}{cause}"
        for cause in ("because of", "due to", "thanks to", "based on")
        for much in ("", "mainly ", "mostly ", "largely ", "chiefly ", "primarily ", "above all ")
    ],
    "the_main_reason": ("the main reason", "the strongest reason", "the most important reason"),
    "the_main_reasons": ("the main reasons", "the strongest reasons", "the most important reasons"),
    "followed_by": ("followed by", "then"),
    "speaks_for": (
        "speaks for", "speaks most for", "speaks clearly for", "supports", "favours", "points to", "suggests",
        "makes the strongest case for",
    ),
    "speak_for": (
        "speak for", "speak most for", "speak clearly for", "support", "favour", "point to", "suggest",
        "make the strongest case for",
    ),
    "most": ("most", "above all", "most of all"),
    "mainly": ("mainly", "mostly", "chiefly", "above all"),
    "of_all": ("of {count} candidates", "among the {count} candidates", "out of {count} candidates"),
    "among": (
        "in the {history}", "among the titles of the {history}", "of all titles in the {history}",
        "looking at the {history}", "as far as the {history} goes", "judging by the {history}",
    ),
    "history": ("history", "user's history", "{person}'s history"),
    "user": ("user", "{person}"),
    "clearly": ("clearly", "strongly", "really"),
    "yet": ("", *YET),
    "yet_what": [f"{yet}what" for yet in ("", *YET)],
    "speaks_against": ("speaks against", "works against", "counts against", "argues against", "weighs against"),
    "speak_against": ("speak against", "work against", "count against", "argue against", "weigh against"),
    "if_anything": ("if anything", "what is more", "on the contrary", "in fact"),
    "despite": ("despite", "in spite of"),
    "although": ("although", "even though"),
    "falls": ("falls", "drops", "slips", "would fall", "would drop", "would slip"),
    "drops": ("falls", "drops", "slips"),
    "fall": ("fall", "drop", "slip", "sink"),
    "takes_over": ("comes first", "takes first place", "takes the lead", "comes out on top"),
    "take_over": ("come first", "take first place", "take the lead", "come out on top"),
    "stays": ("stays at", "remains at", "would stay at", "would remain at"),
    "stay": ("stay at", "remain at"),
    "compared": ("", "For comparison, ", "By comparison, ", "Asked the same, ", "As a second opinion, "),
    "ranks": ("puts", "places", "ranks", "has", "sees"),
}  # fmt: skip
"""The phrases of each slot that depends on no measurement."""

OTHER_NAMES = ("another model, {teacher},", "the model {teacher}")
TEACHER_NAMES = ("the teacher, {teacher},", "the teacher {teacher}", *OTHER_NAMES)
AGREES = ("agrees and puts", "agrees and places", "also puts", "also ranks", "likewise puts", "likewise places")
LOWER = ("is less convinced and puts", "is less sure and places", "only puts", "disagrees and puts", "only ranks")
HIGHER = ("is more convinced and puts", "is even surer and places", "even puts", "goes further and puts", "even ranks")
