"""What `hubbub serve` adds for the pages: people see each other type and read, and may ask to be moved."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from msgspec import Meta, Struct

from hubbub.app.application import Hubbub
from hubbub.app.context import Context
from hubbub.errors import HubbubError
from hubbub.protocol.limits import MAX_SAFE_INTEGER


class Typing(Struct):
    """Somebody began or ended typing."""

    typing: bool


class Seen(Struct):
    """Everything in the room up to this offset was before somebody's eyes."""

    offset: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]


class Move(Struct):
    """Somebody asks for their connection to be moved to another node."""


def register_demo(app: Hubbub) -> None:
    """Registers the ephemeral types `typing` and `seen`; and `move` where anonymous users share several nodes."""
    app.message("typing", ephemeral=True)(Typing)
    app.message("seen", ephemeral=True)(Seen)
    if not (app.settings.anonymous and (app.settings.backend or app.settings.registry)):
        return
    app.message("move")(Move)
    moves: set[asyncio.Task[None]] = set()

    @app.on("move")
    def move(context: Context, message: Any) -> None:
        context.consume()
        # Not awaited: the answer is to come before the connection goes.
        task = asyncio.get_running_loop().create_task(_move(app, context))
        moves.add(task)
        task.add_done_callback(moves.discard)


async def _move(app: Hubbub, context: Context) -> None:
    try:
        await app.migrate(context.connection_id)
    except HubbubError as error:
        context.tell(f"Your connection stays where it is: {error}", level="warning")
