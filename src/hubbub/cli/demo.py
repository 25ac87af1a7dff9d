"""What `hubbub serve` adds for the pages: people see each other type."""

from __future__ import annotations

from msgspec import Struct

from hubbub.app.application import Hubbub


class Typing(Struct):
    """Somebody began or ended typing."""

    typing: bool


def register_typing(app: Hubbub) -> None:
    """Registers the ephemeral type `typing`."""
    app.message("typing", ephemeral=True)(Typing)
