"""From a function's answer to what a port promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.exceptions import RedisError

T = TypeVar("T")


async def answered(call: Awaitable[Any], convert: Callable[[Any], T]) -> T:
    """What the answer means. Raises `ConnectionError` when there is none, or the server refuses."""
    try:
        return convert(await call)
    except RedisError as error:
        raise ConnectionError(reason_of(error)) from None


def reason_of(error: RedisError) -> str:
    """Why the server refuses, in words that may be told to a publisher."""
    text = str(error)
    if "used memory > 'maxmemory'" in text:
        return "Redis is out of memory"
    return f"Redis refuses: {text}"


def nothing(_: object) -> None:
    """What an answer without content says."""
