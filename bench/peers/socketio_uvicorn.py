"""The peer python-socketio on uvicorn: `emit` to a room, without acknowledgements."""

import sys
from typing import Any
from urllib.parse import parse_qs

import socketio

from bench.peers import uvicorn_settings

room_of: dict[str, str] = {}


def attach(server: socketio.AsyncServer) -> socketio.AsyncServer:
    """Give the server its events."""

    async def connect(sid: str, environ: dict[str, Any]) -> None:
        """Join the room that the URL names."""
        room_of[sid] = parse_qs(environ["QUERY_STRING"])["room"][0]
        await server.enter_room(sid, room_of[sid])
        await server.emit("joined", to=sid)

    async def disconnect(sid: str, *_reason: object) -> None:
        """Forget the room."""
        room_of.pop(sid, None)

    async def message(sid: str, text: str) -> None:
        """Relay to the room."""
        await server.emit("message", text, room=room_of[sid])

    for handler in (connect, disconnect, message):
        server.on(handler.__name__, handler)
    return server


if __name__ == "__main__":
    plain = socketio.AsyncServer(async_mode="asgi", logger=False, engineio_logger=False)
    uvicorn_settings.run(socketio.ASGIApp(attach(plain)), int(sys.argv[1]))
