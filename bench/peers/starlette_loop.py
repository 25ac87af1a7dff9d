"""The peer Starlette on uvicorn: a bare loop over `send_text`, as its tutorials have it."""

import sys
from collections import defaultdict

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bench.peers import uvicorn_settings

rooms: defaultdict[str, list[WebSocket]] = defaultdict(list)


async def endpoint(websocket: WebSocket) -> None:
    """Relay what a member of the room named by the path sends."""
    await websocket.accept()
    room = rooms[websocket.path_params["room"]]
    room.append(websocket)
    await websocket.send_text("joined")
    try:
        while True:
            text = await websocket.receive_text()
            for member in list(room):
                await member.send_text(text)
    except WebSocketDisconnect:
        pass
    finally:
        room.remove(websocket)


if __name__ == "__main__":
    application = Starlette(routes=[WebSocketRoute("/room/{room}", endpoint)])
    uvicorn_settings.run(application, int(sys.argv[1]))
