"""One of the workers of `hubbub serve --workers N`, which starts it: `python -m hubbub.cli.worker`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys

import msgspec

from hubbub.app.application import Hubbub
from hubbub.cli.demo import register_demo
from hubbub.cli.documents import serve_documents
from hubbub.cli.workers import READY, Orders
from hubbub.errors import ConfigurationError

log = logging.getLogger("hubbub.workers")


async def serve(orders: Orders) -> None:
    """Until SIGTERM or Ctrl-C, or until the parent is gone."""
    app = Hubbub(orders.settings)
    register_demo(app)
    serve_documents(app)
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _parent_spoke)

    def started() -> None:
        sys.stdout.buffer.write(READY + b"\n")
        sys.stdout.flush()

    await app.run_until_signal(started)


def _parent_spoke() -> None:
    """It says nothing more than its orders: this is its end. Where a server has the logs, clients are sent on first."""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    log.warning("the parent is gone: this worker stops")
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    logging.basicConfig(
        level=logging.DEBUG if orders.verbose else logging.INFO,
        format=f"%(asctime)s %(levelname)s {orders.settings.node_name} %(name)s: %(message)s",
    )
    gc.set_threshold(10_000, 20, 20)
    try:
        asyncio.run(serve(orders))
    except ConfigurationError as error:
        print(f"hubbub: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"hubbub: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
