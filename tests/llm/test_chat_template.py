"""What stands around a request: the model's own template, which may not touch it, and what its tokenizer adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import processors

from engine.backbones import BACKBONES
from engine.errors import StudioError
from engine.llm.chat_template import REQUEST, ChatFrame, make_frame
from engine.llm.tiny import CHAT_TEMPLATE, END, START, tiny_tokenizer

USER = "{% for m in messages %}[{{ m.role }}]CONTENT{% endfor %}[reply]"


def with_template(template: Any) -> Any:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def around(template: Any) -> tuple[str, str]:
    tokenizer = with_template(template)
    frame = make_frame(tokenizer, "m", "causal")
    return tokenizer.decode(frame.before), tokenizer.decode(frame.between)


@pytest.mark.parametrize(
    "content",
    [
        "{{ m.content | upper }}",
        "{{ m.content | lower }}",
        "{{ m.content | title }}",
        "{{ m.content | capitalize }}",
        "{{ m.content | e }}",
        "{{ m.content | tojson }}",
        "{{ m.content | replace('\\n', ' ') }}",
        "{{ m.content | replace('  ', ' ') }}",
        "{{ m.content | replace('*', '') }}",
        "{{ m.content | striptags }}",
        "{{ m.content | urlize }}{{ m.content | indent(2) }}",
        "{{ m.content | indent(2) }}",
        "{{ m.content | wordwrap(80) }}",
        "{{ m.content | truncate(200) }}",
        "{{ m.content[:1000] }}",
        "{{ m.content[1:] }}",
        "{{ m.content.split() | join(' ') }}",
        "{{ m.content.split('&')[0] }}",
        "{{ m.content | reverse }}",
        "{{ m.content.encode('ascii', 'ignore').decode() }}",
        "nothing of it",
    ],
)
def test_a_template_that_changes_a_request_is_refused(content: str) -> None:
    with pytest.raises(StudioError, match="m's chat template"):
        around(USER.replace("CONTENT", content))


def test_a_template_that_repeats_a_request_is_refused() -> None:
    with pytest.raises(StudioError, match="m's chat template repeats what is asked"):
        around(USER.replace("CONTENT", "{{ m.content }} Again: {{ m.content }}"))


@pytest.mark.parametrize("content", ["{{ m.content }}", "{{ m.content | trim }}", "{{ m['content'].strip() }}"])
def test_blanks_around_a_request_may_be_taken_off_for_it_has_none(content: str) -> None:
    """Llama's and Gemma's templates do so."""
    assert REQUEST.strip() == REQUEST
    assert around(USER.replace("CONTENT", content)) == (
        "[system]You are a recommender system.[user]",
        "[reply]",
    )


@pytest.mark.parametrize(
    "refusal",
    [
        "{{ raise_exception('System role not supported') }}",
        "{{ 1 / 0 }}",
        "{{ m.nothing.at.all }}",
    ],
)
def test_a_template_that_fails_on_the_system_role_is_used_without_it(refusal: str) -> None:
    refusing = "{% if m.role == 'system' %}" + refusal + "{% endif %}"
    assert around("{% for m in messages %}" + refusing + "<{{ m.content }}>{% endfor %}") == ("<", ">")


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m['content'] }",
        "{% for m in messages %}{{ m['content'] }}",
        "{{ messages[7].content.more }}",
        "{{ raise_exception('never') }}",
        "{{ unknown_function(messages) }}",
        "{% include 'other.jinja' %}",
        "{{ messages | nofilter }}",
        {"rag": "{{ messages }}", "tool_use": "{{ messages }}"},
    ],
)
def test_a_broken_template_is_refused_in_one_line(template: Any) -> None:
    with pytest.raises(StudioError, match=r"m's chat template cannot be used: .* — mend the template") as refused:
        around(template)
    assert "\n" not in str(refused.value)


def test_the_default_of_several_templates_is_taken() -> None:
    assert around({"default": CHAT_TEMPLATE, "tool_use": "{{ nothing }}"})[0].startswith(f"{START}system")


POST_PROCESSORS: dict[str, Callable[[], Any]] = {
    "template": lambda: processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 422)]),
    "both ends": lambda: processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, 422), (END, 423)]
    ),
    "two before": lambda: processors.TemplateProcessing(
        single=f"{END} {START} $A", special_tokens=[(START, 422), (END, 423)]
    ),
    "sequence": lambda: processors.Sequence(
        [
            processors.ByteLevel(),
            processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 422)]),
        ]
    ),
    "bert": lambda: processors.BertProcessing((END, 423), (START, 422)),
}
ADDED = {"template": (422,), "both ends": (422,), "two before": (423, 422), "sequence": (422,), "bert": (422,)}


@pytest.mark.parametrize("family", BACKBONES)
@pytest.mark.parametrize("kind", POST_PROCESSORS)
def test_what_a_tokenizer_puts_before_a_text_stands_before_a_plain_prompt(kind: str, family: str) -> None:
    """Such as the <s> on which BART was trained."""
    tokenizer = tiny_tokenizer()
    assert make_frame(tokenizer, "m", family).before == ()
    tokenizer.backend_tokenizer.post_processor = POST_PROCESSORS[kind]()
    frame = make_frame(tokenizer, "m", family)
    assert frame.before == ADDED[kind]
    whole = tokenizer("Watched Alien").input_ids
    assert whole[: len(frame.before)] == list(frame.before)


def test_a_chat_template_says_itself_how_a_prompt_begins() -> None:
    """As in Transformers, which adds no special tokens to a rendered template."""
    tokenizer = with_template(USER.replace("CONTENT", "{{ m.content }}"))
    tokenizer.backend_tokenizer.post_processor = POST_PROCESSORS["template"]()
    assert 422 not in make_frame(tokenizer, "m", "causal").before


def test_an_encoder_decoders_prompt_ends_with_its_end_token() -> None:
    assert make_frame(tiny_tokenizer(), "m", "seq2seq") == ChatFrame(after=(423,))
