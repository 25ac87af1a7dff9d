"""An echo endpoint on the server's own transport code: `python -m hubbub.testing.echo --port N`.

For conformance suites, which check frames, fragments, UTF-8, closing and permessage-deflate.
"""

from __future__ import annotations

import argparse
import asyncio
import signal

from picows import WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from hubbub.ports import Transport
from hubbub.protocol.deflate import compress
from hubbub.protocol.frames import BINARY, TEXT, server_frame
from hubbub.server.listener import MessageListener
from hubbub.server.parsing import listen
from hubbub.server.upgrade import choose_extension, normalise

LIMIT = 64 * 1024 * 1024
"""Bytes of the largest message."""


class Echo:
    """Sends every message back."""

    def __init__(self, transport: Transport, deflate: bool) -> None:
        self._transport = transport
        self._deflate = deflate

    def received(self, data: str | bytes, size: int) -> None:
        payload = data.encode() if isinstance(data, str) else data
        opcode = TEXT if isinstance(data, str) else BINARY
        # Small ones, too: a suite that negotiates compression wants to see it.
        if self._deflate:
            self._transport.write(server_frame(opcode, compress(payload), compressed=True))
        else:
            self._transport.write(server_frame(opcode, payload))

    def ponged(self) -> None: ...

    def closed(self) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


def _upgrade(request: WSUpgradeRequest, address: str) -> WSListener | WSUpgradeResponseWithListener | None:
    normalise(request)
    extension = choose_extension(request)
    headers = {} if extension is None else {"Sec-WebSocket-Extensions": extension}
    response = WSUpgradeResponse.create_101_response(headers)
    deflate = extension is not None
    listener = MessageListener(LIMIT, deflate, lambda transport, _: Echo(transport, deflate))
    return WSUpgradeResponseWithListener(response, listener)


async def serve(port: int) -> None:
    """Echoes until SIGTERM or Ctrl-C."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    server = await listen(_upgrade, "127.0.0.1", port, max_message=LIMIT)
    print(f"echo listens on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stopped.wait()
    server.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9001, help="0 chooses a free one")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
