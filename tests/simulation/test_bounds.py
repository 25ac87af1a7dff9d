"""What the simulation takes for too much."""

from __future__ import annotations

import hubbub
from hubbub.testing.loop import virtual
from hubbub.testing.simulation.bounds import check_client, check_hub
from hubbub.testing.world import World


@virtual
async def test_bytes_that_wait_for_a_socket_are_bounded() -> None:
    world = World()
    app = await world.start(lambda **given: hubbub.Hubbub(anonymous=True, write_buffer=4096, **given))
    ann = await world.connect("ann")
    async with ann.subscribe("topic:a.b") as heard:
        assert list(check_hub(app, 2048, 65536)) == []
        (connection,) = app.hub.connections.values()
        connection.out = b"x" * 200_000
        (told,) = check_hub(app, 2048, 65536)
        assert told.startswith("200000 bytes collected for")
        connection.out = b""
        assert list(check_client(ann, [heard])) == []
    await ann.close()
