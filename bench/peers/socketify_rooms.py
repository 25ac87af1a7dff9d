"""What both peers on socketify share: settings, and a room from the URL."""

from typing import Any

from socketify import OpCode

SETTINGS = {
    "compression": 0,
    "max_payload_length": 64 * 1024,
    # uWebSockets drops messages for a connection over this bound; nobody here is ever so late.
    "max_backpressure": 1024 * 1024,
    "idle_timeout": 120,
}


def on_upgrade(response: Any, request: Any, context: Any) -> None:
    """Keep the room that the URL names."""
    response.upgrade(
        request.get_header("sec-websocket-key"),
        request.get_header("sec-websocket-protocol"),
        request.get_header("sec-websocket-extensions"),
        context,
        request.get_parameter(0),
    )


def on_open(connection: Any) -> None:
    """Join the room."""
    connection.subscribe(connection.get_user_data())
    connection.send("joined", OpCode.TEXT)


def serve(app: Any, port: int, on_message: Any) -> None:
    """Serve until killed."""
    app.ws("/room/:room", SETTINGS | {"upgrade": on_upgrade, "open": on_open, "message": on_message})
    app.listen({"port": port, "host": "127.0.0.1"})
    app.run()
