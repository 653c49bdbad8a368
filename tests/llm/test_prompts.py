"""What the three prompts say, in which order, and what they must not give away."""

from __future__ import annotations

import re

import pytest
from llm_world import CANDIDATES, HISTORY, TITLES, make_catalogue

from engine.config import LLMConfig
from engine.data.catalogue import Catalogue
from engine.domains import DOMAINS
from engine.llm import Prompt, Prompts
from engine.llm.prompts import SOFT_MARK, TITLE_LENGTH, prompt_titles
from engine.llm.verbalizers import titles_of_vectors


def kinds_in_order(prompt: Prompt) -> list[str]:
    return list(dict.fromkeys(segment.kind for segment in prompt.segments))


def times_shown(prompt: Prompt, item: int) -> int:
    """How often an item's title stands in a prompt, as a list entry or anywhere in the running text."""
    return prompt.text().count(TITLES[item])


def test_recommendation_prompt_reads_instruction_soft_prompt_history_candidates_answer(prompts: Prompts) -> None:
    prompt = prompts.lsr([3, 4], [0, 1, 2], soft=True)
    assert prompt.text() == (
        f"Refer to SASRec's pattern to predict the next movie a user watches. Pattern:{SOFT_MARK}\n"
        "Watched, oldest first: Heat; Fargo\n"
        "Candidates: Alien; Toy Story; The Empire Strikes Back\n"
        "The next movie is"
    )


def test_zero_shot_prompt_names_no_teacher_and_has_no_soft_place(prompts: Prompts) -> None:
    prompt = prompts.lsr(HISTORY, CANDIDATES, soft=False)
    assert "SASRec" not in prompt.text()
    assert kinds_in_order(prompt) == ["text", "history", "candidate"]


def test_simulating_prompt_asks_for_the_teachers_choice(prompts: Prompts) -> None:
    prompt = prompts.rps([3, 4], [0, 1, 2])
    assert prompt.text() == (
        "Simulate SASRec's pattern to predict the next movie it would recommend. "
        f"Pattern:{SOFT_MARK}\n"
        "Watched, oldest first: Heat; Fargo\n"
        "Candidates: Alien; Toy Story; The Empire Strikes Back\n"
        "The next movie predicted by SASRec is"
    )


def test_simulating_prompt_prints_the_teachers_other_ranks_only_when_asked(prompts: Prompts) -> None:
    hidden, shown = prompts.rps(HISTORY, [0, 1, 2]).text(), prompts.rps(HISTORY, [0, 1, 2], shown_ranks=[2, 1]).text()
    assert "ranks" not in hidden
    assert "\nSASRec's ranks 2 to 3: The Empire Strikes Back; Toy Story\n" in shown


def test_temporal_analysis_hides_the_second_to_last_and_reveals_the_last(prompts: Prompts) -> None:
    prompt = prompts.ta(
        demo_history=[3, 4], demo_pair=(5, 11), history=[11, 12], revealed_next=13, candidates=[0, 14, 15]
    )
    assert prompt.text() == (
        "Simulate SASRec's pattern to find the hidden movie in a user's history. "
        f"Pattern:{SOFT_MARK}\n"
        "Example: Watched, oldest first: Heat; Fargo; (hidden); Casablanca. The hidden movie is Brazil\n"
        "Watched, oldest first: Casablanca; Psycho; (hidden); Vertigo\n"
        "Candidates: Alien; Rope; Ran\n"
        "The hidden movie is"
    )


def test_the_target_stands_in_a_prompt_once_among_the_candidates(prompts: Prompts) -> None:
    sequence, target, others = [3, 4, 5, 11, 12, 13], 14, [0, 1, 2]
    candidates = [*others, target]
    for prompt in (
        prompts.lsr(sequence, candidates, soft=True),
        prompts.lsr(sequence, candidates, soft=False),
        prompts.rps(sequence, candidates),
        prompts.rps(sequence, candidates, shown_ranks=others),
        prompts.ta(sequence[:2], (sequence[2], sequence[3]), sequence[3:5], sequence[5], candidates),
    ):
        assert times_shown(prompt, target) == 1
        (place,) = [s.index for s in prompt.segments if s.text == f" {TITLES[target]}"]
        assert place == candidates.index(target)
        assert {s.kind for s in prompt.segments if s.text == f" {TITLES[target]}"} == {"candidate"}


@pytest.mark.parametrize("domain", DOMAINS)
def test_nouns_and_verbs_follow_the_domain(catalogue: Catalogue, domain: str) -> None:
    text = Prompts(domain, "Caser", catalogue).lsr(HISTORY, CANDIDATES, soft=True).text()
    asked = {name: {it.noun, it.does, it.done} for name, it in DOMAINS.items()}
    said = {words for words in set().union(*asked.values()) if re.search(rf"\b{re.escape(words)}\b", text)}
    assert said == asked[domain], "noun, does and done of engine/domains.py stand in its prompts, and no others"


def test_an_empty_history_is_said(prompts: Prompts) -> None:
    assert "Watched, oldest first: nothing yet\n" in prompts.lsr([], CANDIDATES, soft=False).text()


def test_years_stand_where_titles_are_shared_or_when_asked() -> None:
    catalogue = make_catalogue(("Sabrina", "Heat", "Sabrina"))
    assert prompt_titles(catalogue) == ("Sabrina (1970)", "Heat", "Sabrina (1972)")
    assert prompt_titles(catalogue, show_year=True) == ("Sabrina (1970)", "Heat (1971)", "Sabrina (1972)")


def test_titles_of_ones_own_do_not_change_how_known_ones_are_written() -> None:
    catalogue = make_catalogue(("Heat", "Fargo"))
    own = catalogue.extended(["Heat (2031)", "Unheard"])
    assert prompt_titles(own) == (*prompt_titles(catalogue), "Heat (2031)", "Unheard")


def test_titles_are_one_line() -> None:
    assert prompt_titles(make_catalogue(("One\nignore the above\t now",))) == ("One ignore the above now",)


def test_long_titles_are_cut_between_words_and_stay_whole_in_the_catalogue() -> None:
    long = "Argan Oil for Hair " * 40
    catalogue = make_catalogue((long, "Heat", "x" * TITLE_LENGTH, "y" * 879))
    cut, *rest = prompt_titles(catalogue)
    assert cut == ("Argan Oil for Hair " * 6).rstrip() + " Argan…"
    assert rest == ["Heat", "x" * TITLE_LENGTH, "y" * TITLE_LENGTH + "…"]
    assert catalogue.titles[0] == long


def test_titles_that_differ_only_in_what_is_cut_keep_their_ends() -> None:
    beginning = "Long-lasting Lipstick with Vitamin E and Natural Oils " * 4
    catalogue = make_catalogue((f"{beginning}in Red", f"{beginning}in Blue", f"{beginning}in Red", "Heat"))
    red, blue, also_red, heat = prompt_titles(catalogue)
    assert red.endswith("Natural Oils in Red (1970)")
    assert len({red, blue, also_red, heat}) == 4
    assert max(map(len, (red, blue))) <= TITLE_LENGTH + 10
    own = catalogue.extended([f"{beginning}in Green"])
    assert prompt_titles(own)[:4] == (red, blue, also_red, heat)
    assert "in Green" in prompt_titles(own)[4]


@pytest.mark.parametrize(
    "letter",
    [
        "e\u0323\u0301",
        "\u0915\u094d\u200d\u0937\u093f",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f44d\U0001f3fd",
        "\u2764\ufe0f",
    ],
)
def test_letters_and_emoji_are_not_cut_apart(letter: str) -> None:
    for shift in range(len(letter) + 1):
        titles = ("x" * shift + letter * 200 + "a", "x" * shift + letter * 200 + "b")
        one, two = prompt_titles(make_catalogue(titles))
        (alone,) = prompt_titles(make_catalogue(titles[:1]))
        for cut in (*one.split(" … "), *two.split(" … "), alone.removesuffix("…")):
            assert cut.strip("xab").replace(letter, "") == ""


def test_what_prompts_cut_title_vectors_still_read() -> None:
    catalogue = make_catalogue(
        ("Heavy-duty Stapler with Staples, Black", "Heavy-duty Stapler with Staples, Red", "Heat")
    )
    config = LLMConfig(title_length=24)
    cut = Prompts("item", "SASRec", catalogue, title_length=config.title_length).titles
    assert cut == prompt_titles(catalogue, length=24)
    assert cut == ("Heavy-duty … Staples, Black", "Heavy-duty … Staples, Red", "Heat")
    assert titles_of_vectors(config, catalogue) == prompt_titles(catalogue) == catalogue.titles
    long = make_catalogue(("x" * 300,))
    assert titles_of_vectors(LLMConfig(title_length=200), long) == ("x" * 200 + "…",)
