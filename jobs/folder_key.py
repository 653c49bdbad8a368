"""The key of a data folder: it signs the messages of its queues, and tells the folder from every other."""

from __future__ import annotations

import hashlib
import os
import secrets

from engine.paths import home, writable


def folder_token() -> str:
    """Which data folder this is; everybody who sees it knows it by its key, and nobody else."""
    return hashlib.sha256(b"data folder" + key()).hexdigest()[:16]


def key() -> bytes:
    """Made once, readable by this user only."""
    path = writable(home()) / "queue.key"
    if not path.exists():
        draft = path.with_name(f"queue.key.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode())
        try:
            os.link(draft, path)  # unlike a rename, keeps the key of a process that was faster
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()
