# SPDX-License-Identifier: Apache-2.0
"""Who of those who look at the page may command the robot: one at a time. Stop is everybody's and is not asked here."""

from __future__ import annotations

from collections.abc import Callable

GRACE = 15.0  # s that a browser may be gone, as at a reload, before the wheel is free


class Wheel:
    """The wheel. A session is what one browser's tab calls itself; it is known to that tab and the server alone.

    Args:
        steady: a clock, s.
    """

    def __init__(self, steady: Callable[[], float]):
        self._steady = steady
        self._session, self._name = "", ""
        self._gone: float | None = None

    @property
    def name(self) -> str:
        """Who drives; empty if nobody does."""
        self._look()
        return self._name

    def drives(self, session: str) -> bool:
        """Whether it is this session."""
        self._look()
        return bool(session) and session == self._session

    def take(self, session: str, name: str, from_other: bool = False) -> str:
        """Gives a session the wheel, or says why not.

        Args:
            from_other: whether it may be taken out of another's hands, who was named to the person that asks.
        """
        self._look()
        if self._session not in ("", session) and not from_other:
            return f"{self._name} drives"
        self._session, self._name, self._gone = session, name, None
        return ""

    def leave(self, session: str) -> None:
        """The session wants it no more."""
        if self.drives(session):
            self._session, self._name, self._gone = "", "", None

    def seen(self, session: str, there: bool) -> None:
        """A session's connection has come or gone."""
        if session and session == self._session:
            self._gone = None if there else self._steady()

    def _look(self) -> None:
        if self._gone is not None and self._steady() - self._gone > GRACE:
            self._session, self._name, self._gone = "", "", None
