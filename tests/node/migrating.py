"""What tests of migration begin with."""

from typing import Any

from hubbub import Client
from tests.node.cluster import Cluster


async def begin(*nodes: str, **options: Any) -> tuple[Cluster, Client]:
    """These nodes, and ann, who is at the first of them."""
    cluster = Cluster()
    await cluster.start(*nodes)
    return cluster, await cluster.connect("ann", nodes[0], **options)


async def moved(cluster: Cluster, user: str, origin: str, node: str | None = None) -> str:
    return await cluster.nodes[origin].migrate(cluster.connection(user, origin).id, node)


def orders(client: Client) -> list[Any]:
    """The `migrate` messages that this client will have got."""
    got: list[Any] = []
    handlers = client._parts.recovery.received._handlers  # type: ignore[attr-defined]
    follow = next(handler for kind, handler in handlers.items() if kind.__name__ == "MigrateMessage")

    def note(message: Any) -> None:
        got.append(message.payload)
        follow(message)

    handlers[next(kind for kind in handlers if kind.__name__ == "MigrateMessage")] = note
    return got
