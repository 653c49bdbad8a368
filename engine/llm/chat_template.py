"""What a model's own template puts around a request, as token ids: made once for a run, which keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.backbones import BACKBONES
from engine.errors import StudioError, first_line

SYSTEM = "You are a recommender system."
REQUEST = (
    'Predict the  next "movie" a user watches. Pattern:\nWatched, oldest first: Amélie;'
    " Æon Flux & <b>M*A*S*H</b>;\n\n\tit's 100 % {{7}};"
    + " The Empire Strikes Back;" * 100
    + " Ran\nCandidates: X;y; Σίσυφος"
)
"""Like the requests that will stand there, and harder to leave as it is: case, blanks, lines, marks, length."""


@dataclass(frozen=True)
class ChatFrame:
    """Token ids that the model's own template puts before the request, between request and reply, and at the end."""

    before: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


def make_frame(tokenizer: Any, name: str, family: str) -> ChatFrame:
    """The frame of one model's prompts today; a template may write the date.

    Args:
        name: of the model, for messages.
        family: kind of model (:data:`engine.backbones.BACKBONES`): decoders get their chat template around the request,
            encoder-decoders what their tokenizer opens a text with, and their end token.

    Raises:
        StudioError: the template cannot be used or changes what is asked, or there is no end token.
    """
    if BACKBONES[family].encoder_decoder:
        if tokenizer.eos_token_id is None:
            raise StudioError(
                f"{name}'s tokenizer has no end token, with which a prompt for an encoder-decoder must end",
                where="llm.name",
                remedy='name it in tokenizer_config.json, as "eos_token": "</s>"',
            )
        return ChatFrame(before=_opening(tokenizer), after=(tokenizer.eos_token_id,))
    if not tokenizer.chat_template:
        return ChatFrame(_opening(tokenizer), _ids(tokenizer, "\n"))
    before, between = _around_request(tokenizer, name)
    return ChatFrame(_ids(tokenizer, before), _ids(tokenizer, between))


def _opening(tokenizer: Any) -> tuple[int, ...]:
    """What the tokenizer itself puts before a text, such as the token that begins a sequence."""
    bare = tokenizer("a", add_special_tokens=False).input_ids
    whole = tokenizer("a").input_ids
    starts = (i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return tuple(whole[: next(starts, 0)])


def _ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False).input_ids)


def _around_request(tokenizer: Any, name: str) -> tuple[str, str]:
    """What the chat template writes before and behind the request."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": REQUEST}]
    try:
        try:
            text = _chat(tokenizer, messages)
        except Exception:  # some templates know no system role, and say so in their own ways
            text = _chat(tokenizer, messages[1:])
    except Exception as error:  # a template is a program: it can fail in any way
        fault = f"{name}'s chat template cannot be used: {first_line(error)}"
        raise StudioError(fault, where="llm.name", remedy=_REMEDY) from None
    before, *behind = text.split(REQUEST)
    if len(behind) != 1:
        fault = "repeats what is asked" if behind else "changes what is asked"
        raise StudioError(
            f"{name}'s chat template {fault}: a request must stand in it once, letter by letter",
            where="llm.name",
            remedy=_REMEDY,
        )
    return before, behind[0]


_REMEDY = "mend the template (chat_template.jinja or tokenizer_config.json), or take it out for plain prompts"


def _chat(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    # enable_thinking=False: templates of reasoning models then close the thought before the answer begins.
    text: str = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    return text
