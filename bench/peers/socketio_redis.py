"""The peer python-socketio with its Redis manager: `emit` to a room over several nodes. PORT REDIS_PORT."""

import sys

import socketio

from bench.peers import uvicorn_settings
from bench.peers.socketio_uvicorn import attach

if __name__ == "__main__":
    port, redis = int(sys.argv[1]), int(sys.argv[2])
    manager = socketio.AsyncRedisManager(f"redis://127.0.0.1:{redis}/0")
    server = socketio.AsyncServer(async_mode="asgi", client_manager=manager, logger=False, engineio_logger=False)
    uvicorn_settings.run(socketio.ASGIApp(attach(server)), port)
