"""Terminals that do not speak UTF-8: what they cannot show is written with the letters that they have."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from collections.abc import Sequence

from engine import interpreter
from engine.errors import StudioError

PLAIN = str.maketrans(
    {"‐": "-", "‑": "-", "–": "-", "—": "-", "−": "-", "─": "-", "━": "-", "│": "|", "┃": "|", "…": "...", "·": "*",
     "•": "*", "‘": "'", "’": "'", "‚": ",", "“": '"', "”": '"', "„": '"', "×": "x", "→": "->", "←": "<-", "≤": "<=",
     "≥": ">=", "±": "+/-", "≈": "~", "‖": "|", "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "ø": "o", "Ø": "O",
     "ł": "l", "Ł": "L", "đ": "d", "ð": "d", "þ": "th"}
)  # fmt: skip
HANDLER = "delrec-plain"
ASCII = "plain-ascii"
"""ASCII by a name of our own: under its usual one the shell's library takes it for a mistake, and writes UTF-8."""


def prepare() -> None:
    """Let nothing that is printed fail; arguments and names of files are UTF-8, as the program's own files are.

    Python decides when it starts how it reads these. Where it took the terminal for one of pure ASCII (``LC_ALL=C``
    without its usual escape from that), it is started again, once.
    """
    if _is_ascii(sys.getfilesystemencoding()):
        os.environ.setdefault("PYTHONIOENCODING", "ascii")  # of the terminal: what is printed stays so
        interpreter.restart("-X", "utf8")
    codecs.register_error(HANDLER, _plainly)
    codecs.register(_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a program may have put something else in its place
            stream.reconfigure(encoding=ASCII if _is_ascii(stream.encoding) else None, errors=HANDLER)


def check_text(arguments: Sequence[str]) -> None:
    """Raise :class:`StudioError` for an argument that is no UTF-8: neither the database nor a file could hold it."""
    for number, word in enumerate(arguments, 1):
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            shown = ascii(word)[1:-1].replace("\\udc", "\\x")
            raise StudioError(f"argument {number} is no UTF-8 text: {shown}", remedy="write or paste it as UTF-8")


def _is_ascii(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "ascii"


def _ascii(name: str) -> codecs.CodecInfo | None:
    if name.replace("_", "-") != ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode, known.decode, known.streamreader, known.streamwriter, known.incrementalencoder,
        known.incrementaldecoder, name=ASCII,
    )  # fmt: skip


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What is printed in the place of letters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    simple = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return next((shown for shown in (letter.translate(PLAIN), simple) if shown and shown.isascii()), "?")
