"""Proxies and certificates that the environment names for every connection, checked before any is made."""

from __future__ import annotations

import os
import re
import ssl

from engine.errors import StudioError

CERTIFICATES = "SSL_CERT_FILE", "SSL_CERT_DIR"
"""The first one that is set counts."""
PROXIES = "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"


def check() -> None:
    """Raise :class:`StudioError` for a setting that lets no connection be made; nothing is connected to.

    The pages' framework needs them as well, before it has anything to connect to.
    """
    import httpx

    try:
        httpx.Client().close()
    except (OSError, ssl.SSLError) as error:
        raise StudioError(
            f"the certificates of authorities cannot be read: {error.strerror or error}",
            where=next(iter(_named(CERTIFICATES)), ""),
            remedy="correct that setting, or unset it",
        ) from None
    except ImportError:
        raise StudioError(
            "a SOCKS proxy needs the package socksio",
            where=", ".join(_named(PROXIES)),
            remedy="run 'pip install socksio', for which the variable must be unset, or name an http:// proxy",
        ) from None
    except Exception as error:  # httpx has an exception of its own for each part of an address
        raise StudioError(
            f"this proxy setting cannot be used: {_without_password(str(error))}",
            where=", ".join(_named(PROXIES)),
            remedy="correct it, or unset it",
        ) from None


def _named(names: tuple[str, ...]) -> list[str]:
    """Those of these settings that are there, as they are written there."""
    there = [written for name in names for written in (name, name.lower()) if os.environ.get(written)]
    return [f"{name}={_without_password(os.environ[name])}" for name in there]


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", address)
