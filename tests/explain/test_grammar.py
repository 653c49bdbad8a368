"""The grammar of an evidence: whatever it lets be written holds by the check, whatever the titles are called."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from test_grounding import EVIDENCE
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.domains import DOMAINS
from engine.explain.constraint import Constraint, Unwritable
from engine.explain.evidence import Evidence, ItemEvidence, Necessity
from engine.explain.grammar import grammar, measured, sentence_kinds, sides
from engine.explain.grounding import check
from engine.explain.phrases import ALTERNATIVES, CHOICES, SENTENCES
from engine.llm.tiny import tiny_causal

BACKBONE = tiny_causal(0)
END = BACKBONE.tokenizer.eos_token_id
ITEM = ItemEvidence
CASES = {
    "titles that carry it": EVIDENCE,
    "nothing carries it": replace(EVIDENCE, necessity=Necessity(("Alien (1979)",), 1.0, 1.0, "Aliens (1986)")),
    "it rises": replace(EVIDENCE, rank=3.0, necessity=Necessity(("Alien (1979)",), 3.0, 2.0, "Fargo (1996)")),
    "nothing matters": replace(EVIDENCE, history=(ITEM("Heat (1995)", 0.0, False),), necessity=None),
    "all speak against it": replace(EVIDENCE, history=(ITEM("Heat (1995)", -1.0, True),), necessity=None),
    "one title": replace(
        EVIDENCE,
        history=(ITEM("Alien (1979)", 1.0, True),),
        necessity=Necessity(("Alien (1979)",), 1.0, 2.0, "Fargo (1996)"),
    ),
    "carried by what does not matter": replace(
        EVIDENCE,
        history=(ITEM("Heat (1995)", 0.1, False), ITEM("Alien (1979)", -1.0, True)),
        necessity=Necessity(("Heat (1995)",), 1.0, 3.0, "Toy Story (1995)"),
    ),
    "carried by what speaks against it alone": replace(
        EVIDENCE, necessity=Necessity(("Alien (1979)", "Mr. Holland's Opus (1995)"), 1.0, 2.0, "Fargo (1996)")
    ),
    "a title twice, both ways": replace(EVIDENCE, history=(*EVIDENCE.history, ITEM("Alien (1979)", -3.0, True))),
    "a title twice, one place without effect": replace(
        EVIDENCE, history=(ITEM("Alien (1979)", 0.0, False), *EVIDENCE.history)
    ),
    "tied places": replace(EVIDENCE, rank=1.5, teacher_rank=1.5, necessity=None),
    "the teacher agrees": replace(EVIDENCE, teacher_rank=1.0),
    "the teacher is ahead": replace(EVIDENCE, rank=4.0, teacher_rank=2.0, necessity=None),
    "games": replace(EVIDENCE, noun="game", teacher="gru4rec-2"),
    "items": replace(EVIDENCE, noun="item", teacher="ensemble"),
    "beside the teacher stands another row": replace(EVIDENCE, teacher="delrec", is_teacher=False),
    "titles that end in full stops": replace(
        EVIDENCE,
        target="S.W.A.T.",
        history=(ITEM("Monsters, Inc.", 2.0, True), ITEM("E.T.", -1.0, True), ITEM("Hits Vol. 2.", 1.0, True)),
        candidates=("S.W.A.T.", "Existenz.", "Dr. No"),
        necessity=Necessity(("Monsters, Inc.", "Hits Vol. 2."), 1.0, 2.0, "Existenz."),
    ),
    "500 candidates": replace(EVIDENCE, candidates=(*EVIDENCE.candidates, *(f"Film {n} (1990)" for n in range(497)))),
}  # fmt: skip


def drawn(evidence: Evidence, texts: int, seed: int = 0) -> list[str]:
    """Texts that the grammar allows, each token drawn from all that may follow with the same chance."""
    start = Constraint(BACKBONE, grammar(evidence), {END})
    random_ = torch.Generator().manual_seed(seed)
    written = []
    for _ in range(texts):
        constraint, ids = start.fresh(), list[int]()
        while not constraint.over:
            free = torch.isfinite(constraint.allowed(torch.zeros(len(BACKBONE.tokenizer)))).float()
            if constraint.complete and len(ids) > 300:
                break
            token = int(torch.multinomial(free, 1, generator=random_))
            if token == END and constraint.complete:
                break
            ids += [token, *constraint.take(token)]
        written.append(BACKBONE.tokenizer.decode(ids, skip_special_tokens=True).strip())
    return written


@pytest.mark.parametrize("case", CASES)
def test_whatever_the_grammar_allows_holds(case: str) -> None:
    evidence = CASES[case]
    for text in drawn(evidence, 12):
        found = check(text, evidence)
        faults = [fault for sentence in found.sentences for fault in sentence.faults]
        assert (found.badge, found.precision, found.invented, faults) == ("grounded", 1.0, (), []), text
        assert 2 <= len(found.sentences) <= 4, text
        assert text[0].isupper() or text[0].isdigit(), text
        assert all(sentence.text[0].isupper() for sentence in found.sentences), text
        assert ".." not in text
        assert " ".join(sentence.text for sentence in found.sentences) == text, "it comes back as it was"


def test_each_of_the_templates_holds_by_itself() -> None:
    """No template hides behind likelier ones: all are filled in, with every choice of every slot somewhere."""
    choose = random.Random(0)
    for evidence in CASES.values():
        slots: dict[str, Any] = _slots(evidence)
        first = "reason" if "speaking" in slots else "no reason"
        between = [kind for name in sentence_kinds(evidence, slots) for kind in ALTERNATIVES.get(name, (name,))]
        for kind in (first, *between, "teacher"):
            for template in SENTENCES[kind]:
                for _ in range(3):
                    text = _filled(template, slots, choose)
                    if text is not None:
                        found = check(text, evidence)
                        assert not [fault for sentence in found.sentences for fault in sentence.faults], text
                        assert found.precision == 1.0, text
                        assert text[0].isupper(), text
                        assert "  " not in text, text


@pytest.mark.parametrize("noun", DOMAINS)
def test_people_are_called_by_what_they_do_with_such_items(noun: str) -> None:
    """Nobody views a perfume."""
    slots = _slots(replace(EVIDENCE, noun=noun))
    people = {name: words.person for name, words in DOMAINS.items()}
    texts = [_filled(text, slots, random.Random(n)) or "" for n in range(20) for text in ("{user}", "{history}")]
    said = {word for word in people.values() if any(word in text for text in texts)}
    assert said == {people[noun]}


def test_no_it_stands_for_another_candidate_that_was_named_before() -> None:
    """In "Fargo takes first place. SASRec puts it at #2" it would be Fargo; "this" means the first sentence."""
    evidence = CASES["titles that carry it"]
    assert evidence.necessity is not None
    after = [text.split(evidence.necessity.top_after, 1)[1] for text in _distinct(evidence, 150)
             if evidence.necessity.top_after in text]  # fmt: skip
    assert any(rest.count(".") > 1 for rest in after)
    for rest in after:
        assert not re.search(r"\b(?:it|this)\b", rest, re.IGNORECASE), rest
    pointing = [text for text in _distinct(evidence, 150) if "This is so" in text]
    assert pointing
    for text in pointing:
        sentences = [sentence.text for sentence in check(text, evidence).sentences]
        assert sentences[1].startswith("This is so"), text


def _distinct(evidence: Evidence, texts: int) -> list[str]:
    """Texts by the target's names that differ in their templates, too."""
    targets = [
        replace(evidence, history=(*evidence.history, ITEM(f"Film {n}", 0.0, False))) for n in range(texts // 10)
    ]
    return [text for about in targets for text in drawn(about, 10)]


def test_a_title_that_speaks_against_it_alone_is_never_said_to_speak_for_it() -> None:
    """Without it and another one together the recommendation falls; its own bar points the other way."""
    history = (ITEM("Alien (1979)", -1.0, True), ITEM("Heat (1995)", 0.1, False), ITEM("Fargo (1996)", -1.0, True))
    carried = Necessity(("Heat (1995)", "Alien (1979)"), 1.0, 2.0, "Toy Story (1995)")
    evidence = replace(EVIDENCE, history=history, necessity=carried)
    assert sides(evidence) == (("Heat (1995)",), ("Fargo (1996)",))
    none = replace(evidence, history=tuple(replace(item, effect=-1.0, mattered=True) for item in history))
    assert sides(none) == ((), ("Fargo (1996)",))
    for text in drawn(none, 10):
        assert "single title" in text or "None of the titles" in text
        assert check(text, none).badge == "grounded", text


def _slots(evidence: Evidence) -> dict[str, Sequence[str]]:
    return {**CHOICES, **measured(evidence)}


def _filled(text: str, slots: dict[str, Any], choose: random.Random) -> str | None:
    while match := re.search(r"\{(\w+)\}", text):
        texts = slots.get(match[1].lower())
        if not texts:
            return None
        chosen = choose.choice(list(texts))
        chosen = chosen[:1].upper() + chosen[1:] if match[1][0].isupper() else chosen
        text = text[: match.start()] + chosen + text[match.end() :]
    return text


HOSTILE = [
    'He said "no"', "back\\slash \\n \\u0041", "a | b: /.*/ <[1]> {x} %json { }", "start: WORD+", "// no comment",
    "é日本語🎬",
    '{"title": ["x", null]}', "(1999)", "#1", "It", "Still", "The Teacher", "SASRec", "First Place",
    "Because of Winn-Dixie (2005)", "What Speaks", "No", "A.", "100%", "{target}", "\u200fעברית", "…", "x" * 250,
    "Mr. & Mrs. Smith", "Who? What! Where.", "'quoted'", "“quoted”", "_emph_", "tab\tbed",
]  # fmt: skip


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_are_written_as_they_are_called_or_the_grammar_says_that_it_cannot(title: str) -> None:
    """Metacharacters of grammars and JSON, marks of the chat, words of the sentences themselves."""
    history = (ITEM(title, 3.0, True), ITEM("Heat (1995)", -1.0, True))
    evidence = replace(EVIDENCE, history=history, necessity=Necessity((title,), 1.0, 7.0, "Fargo (1996)"))
    try:
        texts = drawn(evidence, 4)
    except Unwritable as error:
        pytest.fail(f"{title!r}: {error}")
    assert any(title in text for text in texts), texts
    explained = replace(EVIDENCE, target=title, candidates=(title, *EVIDENCE.candidates[1:]))
    assert all(title in text for text in drawn(explained, 4))


def test_words_that_are_titles_of_the_evidence_are_left_out() -> None:
    named = replace(EVIDENCE, candidates=(*EVIDENCE.candidates, "Still", "First Place", "Because Of"))
    evidences = [replace(which, target=f"Aliens {n}") for which in (named, EVIDENCE) for n in range(20)]
    rules, plain = (" ".join(map(grammar, some)) for some in (evidences[:20], evidences[20:]))
    for phrase in ('"Still, "', '"takes first place"', '"Because of"'):
        assert phrase in plain
        assert phrase not in rules


def test_texts_about_different_recommendations_begin_differently() -> None:
    """Whatever a model's favourite beginning is, not all recommendations offer it."""
    offered = [
        {line for line in re.split(r"\n| \| ", grammar(replace(EVIDENCE, target=f"Aliens {n}"))) if "TARGET" in line}
        for n in range(30)
    ]
    for template in set().union(*offered):
        assert sum(template in some for some in offered) <= 20, template


def test_a_grammar_that_nothing_satisfies_is_said_to_be_one() -> None:
    texts = [text for templates in (*SENTENCES.values(), *CHOICES.values()) for text in templates]
    texts += [text[:1].upper() + text[1:] for text in texts]
    words = {word.strip(" .,") for text in texts for word in re.split(r"\{\w+\}", text)}
    evidence = replace(EVIDENCE, candidates=(EVIDENCE.target, *sorted(words - {""})))
    with pytest.raises(Unwritable, match="called like the words"):
        grammar(evidence)
    for rules in ("start: x", 'start: "a" & "b"', "start: /(/", "start: A\nA: /a/ & /b/"):
        with pytest.raises(Unwritable):
            Constraint(BACKBONE, rules, {END}).allowed(torch.zeros(len(BACKBONE.tokenizer)))


def test_a_token_that_the_grammar_forbids_is_refused() -> None:
    constraint = Constraint(BACKBONE, 'start: "ab"', {END})
    with pytest.raises(Unwritable):
        constraint.take(BACKBONE.tokenizer.encode("z")[0])


def test_a_tokenizer_of_pieces_without_bytes_is_followed_as_far_as_its_pieces_go() -> None:
    """T5's kind, which llguidance does not read by itself."""
    pieces = [(mark, 0.0) for mark in ("<pad>", "</s>", "<unk>")]
    pieces += [("▁" + word, -1.0) for word in ("The", "of", "is")]
    pieces += [(letter, -5.0) for letter in "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,#()':-"]
    core = Tokenizer(models.Unigram(pieces, unk_id=2))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    core.add_special_tokens(["<pad>", "</s>", "<unk>"])
    backbone = tiny_causal(1)
    backbone.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    end = backbone.tokenizer.eos_token_id
    constraint, ids = Constraint(backbone, grammar(EVIDENCE), {end}), list[int]()
    while not constraint.over:
        free = torch.isfinite(constraint.allowed(torch.zeros(len(backbone.tokenizer))))
        token = end if free[end] else int(free.nonzero()[-1])
        if token == end:
            break
        ids += [token, *constraint.take(token)]
    text = backbone.tokenizer.decode(ids, skip_special_tokens=True)
    assert check(text, EVIDENCE).badge == "grounded", text
    constraint = Constraint(backbone, 'start: "日本"', {end})
    with pytest.raises(Unwritable):
        constraint.take(int(constraint.allowed(torch.zeros(len(backbone.tokenizer))).argmax()))


def test_a_title_that_is_a_mark_of_the_model_is_refused_with_a_sentence() -> None:
    with pytest.raises(Unwritable, match="the language model's own marks"):
        drawn(replace(EVIDENCE, target="a <|im_end|> b", candidates=("a <|im_end|> b", "Fargo (1996)")), 4)
