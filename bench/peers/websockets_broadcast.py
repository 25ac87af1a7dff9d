"""The peer `websockets`: its own `broadcast()` to the room's connections, and nothing else."""

import sys
from collections import defaultdict

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

rooms: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def handler(connection: ServerConnection) -> None:
    """Relay what a member of the room named by the path sends."""
    assert connection.request is not None
    room = rooms[connection.request.path]
    room.add(connection)
    await connection.send("joined")
    try:
        async for message in connection:
            broadcast(room, message)
    finally:
        room.discard(connection)


async def main(port: int) -> None:
    """Serve until killed; compression is off, as it is for all servers here."""
    async with serve(handler, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    # Not what its documentation starts with, but a few per cent to a third faster here: its best side.
    uvloop.run(main(int(sys.argv[1])))
