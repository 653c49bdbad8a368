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
        "The {noun} {target} {placed} {cause} {speaking}.",
        "{Cause} {speaking}, {target} {placed}.",
        "{strongest} is {the_main_reason} for {target}.",
        "{strongest} is {the_main_reason} for {target}, {followed_by} {next_strongest}.",
        "{The_main_reason} for {target} is {strongest}.",
        "{The_main_reason} for {target} is {strongest}, {followed_by} {next_strongest}.",
        "{strong} are {the_main_reasons} for {target}.",
        "{The_main_reasons} for {target} are {strong}.",
        "{strongest} {speaks_for} {target}.",
        "{strongest} {speaks_for} {target}, {followed_by} {next_strongest}.",
        "{strong} {speak_for} {target}.",
        "What speaks {most} for {target} is {speaking}.",
        "{Among} {strongest} {speaks_for} {target}.",
        "{Among} {strong} {speak_for} {target}.",
        "The {user} {watched} {strongest}, which {speaks_for} {target}.",
        "The {user} {watched} {strong}, which {speak_for} {target}.",
        "{target} {placed}, and {the_main_reason} is {strongest}.",
        "{target} {placed}, and {the_main_reasons} are {strong}.",
    ),
    "no reason": (
        "No title of the {history} {clearly} speaks for {target}, which {placed}.",
        "{target} {placed}, but no title of the {history} {clearly} speaks for it.",
        "None of the titles in the {history} {clearly} speaks for {target}, which {placed}.",
    ),
    "against": (
        "{yet}{weakest} {speaks_against} {it}.",
        "{yet}{weak} {speak_against} {it}.",
        "{but}what speaks {most} against {it} is {opposing}.",
        "What speaks {most} against {it} is {opposing}.",
        "It {placed} {despite} {opposing}.",
        "It {placed} {although} {weakest} {speaks_against} it.",
        "It {placed} {although} {weak} {speak_against} it.",
    ),
    "nothing against": (
        "No title of the {history} {clearly} speaks against {it}.",
        "None of the titles in the {history} {clearly} speaks against {it}.",
        "There is no title in the {history} that {clearly} speaks against {it}.",
    ),
    "falls": (
        "{Without} {carrying}, it {falls} {down}.",
        "{Without} {carrying}, it {falls} {down}, and {successor} {takes_over}.",
        "It {falls} {down} {without} {carrying}.",
        "It {falls} {down} {without} {carrying}, and {successor} {takes_over}.",
        "If the {user} had not {had_watched} {carrying}, it would {fall} {down}.",
        "If the {user} had not {had_watched} {carrying}, it would {fall} {down}, and {successor} would come first.",
    ),
    "stays": (
        "{Even} without {spare}, it {stays} {before}.",
        "It {stays} {before} even without {spare}.",
        "If {spare} {left_out}, it still {stays} {before}.",
    ),
    "teacher": (
        "{compared}{teacher} {ranks} it {as_teacher}.",
        "{Teacher_name} {ranks} it {as_teacher}.",
        "{compared}{teacher} {and_so} it {as_teacher}.",
        "{Teacher_name} {and_so} it {as_teacher}.",
    ),
    "place": (
        "It {stands} among the {count} candidates.",
        "Among the {count} candidates, it {stands}.",
        "Out of {count} candidates, it {stands}.",
        "Of all {count} candidates, it {stands}.",
    ),
}
"""By what they tell."""

FIRST_PLACED = (
    "is recommended", "is suggested", "comes first", "is ranked first", "takes first place", "leads the list",
    "is the first choice", "comes out on top", "stands at #1",
)  # fmt: skip
FIRST_STANDS = ("comes first", "is ranked first", "takes first place", "comes out on top", "stands at #1")
"""Such as a number of candidates may follow."""
PLACED = ("stands at", "is placed at", "ranks at", "comes in at", "is ranked at", "lands at", "appears at", "is put at")
"""Before the rank."""

CHOICES: Mapping[str, Sequence[str]] = {
    "cause": [
        f"{much}{cause}"
        for cause in ("because of", "due to", "thanks to", "based on")
        for much in ("", "mainly ", "mostly ", "largely ", "chiefly ", "primarily ", "above all ")
    ],
    "the_main_reason": (
        "the main reason", "the strongest reason", "the most important reason", "the best reason",
    ),
    "the_main_reasons": ("the main reasons", "the strongest reasons", "the most important reasons", "the best reasons"),
    "followed_by": ("followed by", "together with", "along with", "and then", "ahead of"),
    "speaks_for": (
        "speaks for", "supports", "favours", "points to", "suggests", "leads to", "boosts",
        "contributes most to", "speaks most for", "mainly supports", "speaks mainly for", "points most to",
    ),
    "speak_for": (
        "speak for", "support", "favour", "point to", "suggest", "lead to", "boost",
        "contribute most to", "speak most for", "mainly support", "speak mainly for", "point most to",
    ),
    "most": ("most", "above all", "mainly", "mostly", "more than anything else"),
    "among": (
        "In the {history},", "Among the titles of the {history},", "Of all titles in the {history},",
        "Looking at the {history},", "As far as the {history} goes,", "Judging by the {history},",
    ),
    "history": ("history", "user's history", "viewer's history", "list of the user"),
    "user": ("user", "viewer"),
    "clearly": ("clearly", "strongly", "really"),
    "yet": (
        "", "However, ", "On the other hand, ", "In contrast, ", "At the same time, ", "Still, ", "By contrast, ",
        "Yet ", "Then again, ", "That said, ", "Even so, ",
    ),
    "but": (
        "However, ", "On the other hand, ", "In contrast, ", "At the same time, ", "By contrast, ", "Then again, ",
        "That said, ", "Even so, ", "Yet ",
    ),
    "speaks_against": (
        "speaks against", "works against", "counts against", "weakens", "argues against", "speaks most against",
        "weighs against", "tells against", "goes against",
    ),
    "speak_against": (
        "speak against", "work against", "count against", "weaken", "argue against", "speak most against",
        "weigh against", "tell against", "go against",
    ),
    "despite": ("despite", "in spite of"),
    "although": ("although", "even though"),
    "without": ("without",),
    "falls": ("falls", "drops", "slips", "sinks", "goes down", "moves down", "would fall", "would drop"),
    "fall": ("fall", "drop", "slip", "sink", "go down", "move down"),
    "takes_over": ("takes over", "comes first", "takes first place", "takes the lead", "leads instead"),
    "even": ("even", "but even", "and even"),
    "stays": ("stays at", "remains at", "keeps its place at", "holds its place at", "would stay at"),
    "compared": (
        "", "For comparison, ", "By comparison, ", "In comparison, ", "Meanwhile, ", "Asked the same, ",
        "As a second opinion, ", "In the meantime, ", "To compare, ",
    ),
    "ranks": ("puts", "places", "ranks", "has", "sees", "lists"),
}  # fmt: skip
"""The phrases of each slot that depends on no measurement."""

WATCHED = {"movie": ("watched", "watched"), "game": ("played", "played")}
"""What users did with items and had done with them, by the noun."""
TEACHER_NAMES = ("the teacher, {teacher},", "the teacher {teacher}", "another model, {teacher},", "the model {teacher}")
AGREES = ("agrees and puts", "agrees and places", "also puts", "also ranks", "likewise puts", "likewise places")
LOWER = ("is less convinced and puts", "is less sure and places", "only puts", "disagrees and puts", "only ranks")
HIGHER = ("is more convinced and puts", "is even surer and places", "even puts", "goes further and puts", "even ranks")
