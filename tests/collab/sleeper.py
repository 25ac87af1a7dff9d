"""`hubbub serve`, whose process stops (SIGSTOP) right before it appends an operation with SLEEP in it, once.

That is the worst moment for an owner to be held up: it has made sure that it owns the document, and has not written
yet. With `UNFENCED=1` its appends are made without condition, as by a hub that trusts its lease.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Sequence

from msgspec.structs import replace

from hubbub.backends.redis.log import RedisLog
from hubbub.cli.main import app
from hubbub.ports import Append, Appended, Refused

SLEEP = "zzz"

append = RedisLog.append
has_slept = False


def append_later(self: RedisLog, batch: Sequence[Append]) -> Awaitable[Sequence[Appended | Refused]]:
    global has_slept  # noqa: PLW0603
    if not has_slept and any(SLEEP.encode() in item.record for item in batch):
        has_slept = True
        os.kill(os.getpid(), signal.SIGSTOP)
    if os.environ.get("UNFENCED"):
        batch = [replace(item, expected=None) for item in batch]
    return append(self, batch)


if __name__ == "__main__":
    RedisLog.append = append_later  # type: ignore[method-assign]
    app()
