"""Slows down whoever guesses the password."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

FREE = 5
"""Wrong passwords in a row that cost nothing: people mistype."""
FIRST_SECONDS, LONGEST_SECONDS = 30.0, 900.0
FORGOTTEN_SECONDS = 3600.0
MOST_CLIENTS = 10_000


@dataclass
class _ClientAttempts:
    wrong: int = 0
    until: float = 0.0
    last: float = 0.0


class Attempts:
    """Wrong passwords by client. From the fifth in a row on it has to wait, twice as long after each further one.

    While it waits its guesses are not even looked at, so the right one would not give itself away. Call it from one
    thread; it lives in memory, so a restart forgets.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: dict[str, _ClientAttempts] = {}

    def wait(self, client: str) -> float:
        """Seconds until this client may try again; 0 if it may now."""
        record = self._records.get(_network(client))
        return max(0.0, record.until - self._clock()) if record else 0.0

    def wrong(self, client: str) -> None:
        """Count a wrong password."""
        now = self._clock()
        record = self._records.pop(_network(client), _ClientAttempts())  # put back at the end: the oldest come first
        if now - record.last > FORGOTTEN_SECONDS:
            record = _ClientAttempts()
        record.wrong, record.last = record.wrong + 1, now
        if record.wrong >= FREE:
            record.until = now + min(FIRST_SECONDS * 2 ** (record.wrong - FREE), LONGEST_SECONDS)
        self._records[_network(client)] = record
        if len(self._records) > MOST_CLIENTS:
            del self._records[next(iter(self._records))]

    def right(self, client: str) -> None:
        """Forget what this client got wrong."""
        self._records.pop(_network(client), None)


def _network(client: str) -> str:
    """Who counts as one client: an address, of IPv6 the network of 64 bits that one line usually has."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or int(address) >> 64)
