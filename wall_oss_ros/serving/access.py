# SPDX-License-Identifier: Apache-2.0
"""Who may come in from another machine: whoever shows the token. Shared by all that listens on a port."""

from __future__ import annotations

import hmac
import os
import secrets
import socket
from pathlib import Path

from wall_oss_ros.errors import WallOSSError

TOKEN = "WALL_OSS_TOKEN"  # the environment variable


def read_token(file: Path | None, loopback: bool) -> tuple[str | None, bool]:
    """The token that clients must show, None for none, and whether it was made just now.

    Args:
        file: that holds it; None asks the environment variable.
        loopback: whether nothing but this machine is served, which needs none.

    Raises:
        WallOSSError: the file cannot be read, or what was found is no token.
    """
    if file is not None:
        try:
            token = file.expanduser().read_text().strip()
        except (OSError, ValueError) as error:
            raise WallOSSError(
                f"The token file {file} cannot be read: {getattr(error, 'strerror', None) or error}.", "Check the path."
            ) from None
        source = f"The token file {file}"
    else:
        token, source = os.environ.get(TOKEN, "").strip(), f"The variable {TOKEN}"
        if not token:
            return (None, False) if loopback else (secrets.token_urlsafe(24), True)
    if len(token) < 8 or not token.isascii() or not token.isprintable() or " " in token:
        raise WallOSSError(
            f"{source} holds no token that can be used: at least 8 letters, digits and signs without spaces were "
            "expected.",
            "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return token, False


def is_loopback(host: str) -> bool:
    """Whether nothing but this machine reaches a host name or address.

    Raises:
        WallOSSError: there is no such host.
    """
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WallOSSError(
            f"The host {host!r} is unknown: {getattr(error, 'strerror', None) or error}.",
            "Give an address of this machine, or 0.0.0.0 for all.",
        ) from None
    return all(str(address[0]).startswith("127.") or address[0] == "::1" for *_, address in found)


def same(shown: str, token: str) -> bool:
    """Whether what was shown is the token; how long that takes to say tells nothing about it."""
    return hmac.compare_digest(shown.strip().encode("utf-8", "surrogateescape"), token.encode())


def bearer(given: list[str], kinds: tuple[str, ...] = ("bearer",)) -> str:
    """What a request's headers Authorization show: if there is one, of one of the ``kinds``; else nothing."""
    kind, _, shown = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return shown if kind.lower() in kinds else ""
