"""The process that answers: libraries are loaded ahead, and never by two threads at once."""

from __future__ import annotations

import threading

from jobs import answerer


def test_what_is_loaded_ahead_is_there_before_an_answer_begins() -> None:
    """Transformers' parts come on demand: imported by two threads at once, names are missing in one of them."""
    loading, heard = threading.Event(), []

    def load() -> None:
        loading.set()
        threading.Event().wait(0.1)
        heard.append("loaded")

    ahead = threading.Thread(target=answerer.alone, args=(load,))
    ahead.start()
    assert loading.wait(10)
    answerer.alone(lambda number: heard.append(f"answered {number}"), 7)
    ahead.join()
    assert heard == ["loaded", "answered 7"]
