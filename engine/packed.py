"""What Python raises where packed bytes are damaged: each method of packing has errors of its own."""

from __future__ import annotations

import gzip
import zipfile
import zlib

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it; zipfile says so by a RuntimeError
    LZMAError = zipfile.BadZipFile  # type: ignore[assignment, misc]

DAMAGED = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, LZMAError, EOFError)
"""Damaged or cut off. bzip2 raises a bare ``OSError``; of a password, of other methods and of later versions of the
format :mod:`zipfile` says so by ``RuntimeError`` and ``NotImplementedError``, which is one."""
