"""In which encoding a file's text is: told by its mark, or by ``data.encoding``, or guessed. All else reads UTF-8."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from typing import IO, NoReturn

UTF8 = "utf-8"
USUAL = (
    *("utf-8", "cp1252", "latin-1", "cp1250", "cp1251", "koi8-r", "cp1253", "cp1254", "cp1255", "cp1256", "mac-roman"),
    *("gb18030", "big5", "shift_jis", "euc-jp", "cp949", "utf-16", "utf-16-le", "utf-16-be"),
)
"""Encodings of text that people still save; any other that Python knows is taken too."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""What may stand before the text, the longer first where one begins with another."""
MOST_MARK = 4
SAMPLE = 1 << 16
"""Bytes of lines by which an encoding is guessed."""
BLOCK = 1 << 18
_SINGLE = frozenset({"cp1250", "cp1252", "cp1254", "cp1256", "mac_roman"})
"""Encodings of a byte a letter that hardly differ in short texts: cp1252 is by far the most usual of them."""


def known(name: str) -> str:
    """An encoding as it is usually called.

    Raises:
        ValueError: it knows none of this name, or one that does not hold tables.
    """
    try:
        codec = codecs.lookup(name).name
        if "a,1\n".encode(codec).decode(codec) == "a,1\n" and codecs.getincrementaldecoder(codec):
            return next((usual for usual in USUAL if codecs.lookup(usual).name == codec), codec)
    except (LookupError, ValueError, TypeError):
        pass
    raise ValueError(f"{name!r} is no encoding of text that Python knows: such are {', '.join(USUAL)}")


def marked(begin: bytes) -> str | None:
    """The encoding that the first bytes of a file say, None where they say nothing."""
    return next((codec for mark, codec in MARKS if begin.startswith(mark)), None)


class AsUtf8(io.RawIOBase):
    """A file's bytes, from another encoding into UTF-8, a piece at a time.

    Args:
        fail: called with the line in which the text is none of this encoding.
    """

    def __init__(self, text: IO[bytes], encoding: str, fail: Callable[[int], NoReturn]) -> None:
        self._text, self._encoding, self._fail = text, encoding, fail
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready, self._line, self._ended = b"", 1, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """As of any raw stream."""
        while not self._ready and not self._ended:
            piece = self._text.read(BLOCK)
            self._ended = not piece
            try:
                text = self._decoder.decode(piece, final=self._ended)
            except UnicodeError as error:
                self._fail(self._line + _lines_before(error, self._encoding))
            self._line += text.count("\n")
            self._ready = text.encode("utf-8", "replace")  # what utf-16 and utf-7 let pass and UTF-8 does not
        size = min(len(self._ready), len(buffer))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def _lines_before(error: UnicodeError, encoding: str) -> int:
    """Line ends in a piece before the fault."""
    if not isinstance(error, UnicodeDecodeError):
        return 0
    return error.object[: error.start].decode(encoding, "ignore").count("\n")


def guess(lines: bytes) -> str | None:
    """The encoding in which lines probably are that are not UTF-8; None where nothing fits."""
    if nulls := lines.count(0):
        even = lines[::2].count(0)
        wide = "utf-16-be" if even > nulls - even else "utf-16-le"
        return wide if nulls > len(lines) / 8 and _fits(lines[: len(lines) // 2 * 2], wide) else None
    import charset_normalizer  # a tenth of a second, for few

    candidates = [codecs.lookup(name).name.replace("-", "_") for name in USUAL if not name.startswith("utf")]
    found = charset_normalizer.from_bytes(lines, cp_isolation=candidates, threshold=0.5)
    best = found.best()
    if best is None:
        return None
    usual = next((match for match in found if "cp1252" in match.could_be_from_charset), None)
    name = "cp1252" if best.encoding in _SINGLE and usual and usual.chaos <= best.chaos else best.encoding
    return known(name)


def _fits(lines: bytes, encoding: str) -> bool:
    try:
        return bool(lines.decode(encoding))
    except UnicodeDecodeError:
        return False
