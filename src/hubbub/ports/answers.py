"""What is behind a port answers at once or later."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import TypeVar

T = TypeVar("T")


async def answer(result: T | Awaitable[T]) -> T:
    """What it said."""
    return await result if isawaitable(result) else result
