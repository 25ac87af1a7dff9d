"""How the peers on uvicorn are run: as in production, on uvloop, without access log and compression."""

from typing import Any

import uvicorn


def run(application: Any, port: int) -> None:
    """Serve the application on one worker until killed."""
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
    )
