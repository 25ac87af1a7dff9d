"""Queues, measured: whatever waits anywhere is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hubbub.app.application import Hubbub
from hubbub.client.client import Client
from hubbub.client.subscription import Subscription
from hubbub.delivery.acks import WINDOW

_QUEUE = 4096 + 1024
"""Messages in a client's queue, with those of a read."""

_PENDING = 1000


def check_hub(app: Hubbub, window: int, turn: int) -> Iterator[str]:
    """What breaks a bound in the hub. Both in bytes: `window` is what a socket may leave unsent before it says so,
    `turn` what comes into the log at once at most.
    """
    hub = app.hub
    # Whoever is told to stop may have been sent a stretch for each log just before.
    for connection in hub.connections.values():
        readers = connection.session.readers if connection.session is not None else {}
        unsent = window + len(readers) * hub.settings.write_buffer + turn
        yield from _check(f"bytes unsent to {connection.id}", connection.transport.buffered(), unsent)
        yield from _check(f"bytes collected for {connection.id}", len(connection.out), unsent)
        for log, reader in readers.items():
            yield from _check(f"unacknowledged deliveries of {log}", reader.feed.count(reader), WINDOW)


def check_client(client: Client, subscriptions: Iterable[Subscription]) -> Iterator[str]:
    """What breaks a bound in a client."""
    publishing = client._parts.publishing
    yield from _check("publications under way", len(publishing), _PENDING)
    for subscription in subscriptions:
        yield from _check(f"messages queued of {subscription.channel.text}", len(subscription), _QUEUE)


def _check(what: str, count: int, limit: int) -> Iterator[str]:
    if count > limit:
        yield f"{count} {what}, at most {limit}"
