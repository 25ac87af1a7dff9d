"""The peer uWebSockets through socketify: its native publish in C++, and nothing else."""

import sys
from typing import Any

from socketify import App, OpCode

from bench.peers.socketify_rooms import serve

app = App()


def on_message(connection: Any, message: str, opcode: OpCode) -> None:
    """Relay to the room."""
    app.publish(connection.get_user_data(), message, opcode)


if __name__ == "__main__":
    serve(app, int(sys.argv[1]), on_message)
