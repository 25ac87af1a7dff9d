"""Groups: audiences of broadcasts. Static by a rule over the user's attributes, dynamic by call, or both."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hubbub.errors import Conflict
from hubbub.hub.audience import Audience
from hubbub.hub.session import Session
from hubbub.hub.users import User
from hubbub.protocol.channels import check_id

log = logging.getLogger("hubbub.groups")

Rule = Callable[[User], bool]

DEFAULT = "default"
_ONLY_DEFAULT = frozenset({DEFAULT})


class Group:
    """`users` were added by call; `rule` adds whom it is true for. `sessions` are those here and now."""

    __slots__ = ("id", "metadata", "name", "rule", "sessions", "users")

    def __init__(self, id: str, name: str, metadata: dict[str, Any], rule: Rule | None) -> None:
        self.id = id
        self.name = name or id
        self.metadata = metadata
        self.rule = rule
        self.users: set[str] = set()
        self.sessions: set[Session] = set()


class Groups:
    """All groups of this hub. A session without any other is in the group `default`."""

    def __init__(self, changed: Callable[[Session, str, bool], None]) -> None:
        """`changed(session, group, added)` hears of every session that a call, not its login, moved."""
        self._groups: dict[str, Group] = {DEFAULT: Group(DEFAULT, "Default", {}, None)}
        self._sessions: dict[str, set[Session]] = {}
        self._changed = changed
        self.by_key: dict[str, Session] = {}

    def create(
        self, id: str, *, name: str = "", metadata: dict[str, Any] | None = None, rule: Rule | None = None
    ) -> Group:
        """A new group. Raises `Conflict` (`already_exists`) and `BadMessage` for an id that cannot be one."""
        check_id(id)
        if id in self._groups:
            raise Conflict("already_exists", f"group {id} exists", field="channel")
        group = self._groups[id] = Group(id, name, metadata or {}, rule)
        if rule is not None:
            self._update(self.by_key.values())
        return group

    def delete(self, id: str) -> None:
        """Ends a group; its members stay connected. Raises `Conflict` (`not_found`)."""
        self.get(id)
        if id == DEFAULT:
            raise Conflict("already_exists", "the group default always exists", field="channel")
        group = self._groups.pop(id)
        self._update(list(group.sessions))

    def get(self, id: str) -> Group:
        try:
            return self._groups[id]
        except KeyError:
            raise Conflict("not_found", f"there is no group {id}", field="channel") from None

    def add(self, user: str, id: str) -> None:
        """The user is in the group, with every session now and later. Raises `Conflict` (`not_found`)."""
        self.get(id).users.add(user)
        self._update(self._sessions.get(user, ()))

    def remove(self, user: str, id: str) -> None:
        """The user is in the group no more, unless a rule says so. Raises `Conflict` (`not_found`)."""
        self.get(id).users.discard(user)
        self._update(self._sessions.get(user, ()))

    def assign(self, id: str, users: set[str]) -> None:
        """Just these were put into the group by call. Raises `Conflict` (`not_found`)."""
        group = self.get(id)
        changed, group.users = group.users ^ users, users
        for user in sorted(changed):
            self._update(self._sessions.get(user, ()))

    def all(self) -> list[Group]:
        """Every group but `default`, which is not made by anyone."""
        return [group for group in self._groups.values() if group.id != DEFAULT]

    def members(self, id: str) -> list[str]:
        """The users in the group: those added, also when they are away, and those who are here."""
        group = self.get(id)
        return sorted(group.users | {session.user.name for session in group.sessions})

    def of_user(self, user: str) -> list[str]:
        """The ids of the user's groups."""
        named = {group.id for group in self._groups.values() if user in group.users}
        for session in self._sessions.get(user, ()):
            named |= session.groups
        return sorted(named)

    def enter(self, session: Session) -> None:
        """A session begins."""
        self.by_key[session.key] = session
        self._sessions.setdefault(session.user.name, set()).add(session)
        self._place(session, self._belonging(session.user))

    def refresh(self, session: Session) -> None:
        """What is known of the session's user has changed."""
        self._update([session])

    def leave(self, session: Session) -> None:
        """A session ends."""
        self.by_key.pop(session.key, None)
        sessions = self._sessions.get(session.user.name)
        if sessions is not None:
            sessions.discard(session)
            if not sessions:
                del self._sessions[session.user.name]
        self._place(session, frozenset())

    def sessions_of(self, user: str) -> frozenset[Session]:
        """The user's sessions here."""
        return frozenset(self._sessions.get(user, ()))

    def resolve(self, audience: Audience) -> Iterator[Session]:
        """Every session that the audience includes, each once."""
        seen: set[Session] = set()
        for id in audience.groups:
            group = self._groups.get(id)
            if group is not None:
                seen |= group.sessions
        for key in audience.sessions:
            session = self.by_key.get(key)
            if session is not None:
                seen.add(session)
        return iter(seen)

    def _belonging(self, user: User) -> frozenset[str]:
        named = set(user.groups & self._groups.keys())
        for group in self._groups.values():
            if user.name in group.users or (group.rule is not None and _holds(group, user)):
                named.add(group.id)
        return frozenset(named) if named else _ONLY_DEFAULT

    def _update(self, sessions: Iterable[Session]) -> None:
        for session in list(sessions):
            before = session.groups
            self._place(session, self._belonging(session.user))
            for id in sorted(session.groups - before):
                self._changed(session, id, True)
            for id in sorted(before - session.groups):
                self._changed(session, id, False)

    def _place(self, session: Session, groups: frozenset[str]) -> None:
        for id in session.groups - groups:
            group = self._groups.get(id)
            if group is not None:
                group.sessions.discard(session)
        for id in groups - session.groups:
            self._groups[id].sessions.add(session)
        session.groups = groups


def _holds(group: Group, user: User) -> bool:
    try:
        return bool(group.rule is not None and group.rule(user))
    except Exception:
        log.exception("the rule of group %s failed for user %s", group.id, user.name)
        return False
