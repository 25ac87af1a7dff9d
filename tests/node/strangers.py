"""A raw client that comes with a session, its own or another's."""

import json
from typing import Any

from hubbub import ConnectionClosed
from tests.node.cluster import Cluster


class Wanderer:
    """A bare connection that can be told to introduce itself at any node: what a second program could do."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._cluster = cluster
        self._node = node
        self.heard: list[dict[str, Any]] = []
        self.closed: ConnectionClosed | None = None

    async def restore(self, session_id: str, **payload: Any) -> None:

        def closed(reason: ConnectionClosed) -> None:
            self.closed = reason

        self.socket = await self._cluster.dial(
            f"ws://{self._node}/ws",
            subprotocol="hubbub.json",
            token=None,
            compression=False,
            on_message=lambda data: self.heard.append(json.loads(data)),
            on_closed=closed,
        )
        hello = {"type": "restore_session", "sessionId": session_id, "payload": payload}
        self.socket.send(json.dumps(hello).encode(), is_text=True)

    @property
    def is_in(self) -> bool:
        return bool(self.heard) and self.heard[0]["type"] == "session_restored" and self.closed is None

    @property
    def is_answered(self) -> bool:
        return bool(self.heard) or self.closed is not None


def secret_of(client: Any) -> str:
    return str(client._parts.session.id)
