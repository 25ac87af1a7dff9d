"""The peer python-socketio on uvicorn: `emit` to a room, without acknowledgements."""

import sys
from typing import Any
from urllib.parse import parse_qs

import socketio

from bench.peers import uvicorn_settings

server = socketio.AsyncServer(async_mode="asgi", logger=False, engineio_logger=False)
room_of: dict[str, str] = {}


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


if __name__ == "__main__":
    for handler in (connect, disconnect, message):
        server.on(handler.__name__, handler)
    uvicorn_settings.run(socketio.ASGIApp(server), int(sys.argv[1]))
