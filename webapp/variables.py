"""All environment variables of the program, looked at before it begins anything: a run would meet some of them late."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.explain import endpoint
from engine.paths import home
from engine.stage_cache import limit_bytes
from engine.variables import switched_on
from jobs import health, logs, trackers
from jobs.records import database_url
from jobs.settings import import_limits, job_settings
from webapp import access, proxy

READERS: tuple[Callable[[], object], ...] = (
    home,
    database_url,
    job_settings,
    import_limits,
    limit_bytes,
    endpoint.key,
    logs.form,
    health.address,
    trackers.names,
    proxy.root_path,
    *(partial(switched_on, name) for name in access.SWITCHES),
)


def check() -> None:
    """Raise :class:`StudioError` for the first whose value cannot be read."""
    for read in READERS:
        read()
