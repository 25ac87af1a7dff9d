"""The peer Django Channels with channels_redis on uvicorn: `group_send` to a room over nodes. PORT REDIS_PORT."""

import sys
from typing import Any

import django
from django.conf import settings

from bench.peers import uvicorn_settings

port, redis = int(sys.argv[1]), int(sys.argv[2])
settings.configure(
    SECRET_KEY="for a benchmark",
    INSTALLED_APPS=["channels"],
    # Its capacity is 100 messages a channel, above which it drops: a lossy run would have no result. It waits for
    # Redis longer than redis-py does by default.
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {
                "hosts": [{"address": f"redis://127.0.0.1:{redis}/0", "socket_timeout": None}],
                "capacity": 10_000,
            },
        }
    },
)
django.setup()

# Importable only now: they read the settings.
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class Relay(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Joins the room that the URL names, and relays to it."""

    async def connect(self) -> None:
        """Enter the group."""
        self.room = "room." + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()
        await self.send("joined")

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Relay."""
        await self.channel_layer.group_send(self.room, {"type": "relayed", "text": text_data})

    async def relayed(self, event: dict[str, Any]) -> None:
        """Deliver."""
        await self.send(event["text"])


if __name__ == "__main__":
    uvicorn_settings.run(URLRouter([path("room/<str:room>", Relay.as_asgi())]), port)
