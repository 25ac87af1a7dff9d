"""Presence, checked: nobody is said to have left who was away for less than the grace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hubbub.hub.hub import Hub
from hubbub.hub.session import Session
from hubbub.protocol.messages import PresenceMessage

_SLACK = 0.01


class _Absence:
    """From when a session had no connection until it was back."""

    __slots__ = ("since", "until")

    def __init__(self, since: float) -> None:
        self.since = since
        self.until: float | None = None


class PresenceWatch:
    """Holds what is said of users against when their sessions had connections."""

    def __init__(self, clock: Callable[[], float], grace: float) -> None:
        """`grace` in seconds."""
        self._clock = clock
        self._grace = grace
        self._away: dict[Session, _Absence] = {}
        self._absences: dict[str, list[_Absence]] = {}
        self._is_watching = False
        self.violations: list[str] = []

    def watch(self, hub: Hub) -> None:
        """Hears of this hub's sessions from now on."""
        self._is_watching = True
        sessions: Any = hub.sessions
        for name, hear in (("detach", self._went), ("returned", self._came), ("end", self._ended)):
            setattr(sessions, name, _both(getattr(sessions, name), hear))

    def told(self, by: str, message: PresenceMessage) -> None:
        """The client `by` heard of somebody."""
        payload = message.payload
        if not self._is_watching or not payload or payload.event != "leave" or not payload.user:
            return
        user = str(payload.user)
        if not any(self._is_enough(absence) for absence in self._absences.get(user, ())):
            self.violations.append(f"{by} hears that {user} left {message.channel}, who was not away for that long")

    def _went(self, session: Session) -> None:
        if session.connection is not None and session not in self._away:
            absence = self._away[session] = _Absence(self._clock())
            self._absences.setdefault(session.user.name, []).append(absence)

    def _came(self, session: Session) -> None:
        absence = self._away.pop(session, None)
        if absence is not None:
            absence.until = self._clock()

    def _ended(self, session: Session) -> None:
        self._away.pop(session, None)

    def _is_enough(self, absence: _Absence) -> bool:
        until = self._clock() if absence.until is None else absence.until
        return until - absence.since >= self._grace - _SLACK


def _both(method: Callable[..., Any], hear: Callable[[Session], None]) -> Callable[..., Any]:
    def call(session: Session) -> Any:
        hear(session)
        return method(session)

    return call
