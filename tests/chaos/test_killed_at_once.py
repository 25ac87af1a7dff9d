"""What was answered is kept: the server is killed as soon as the answer is here, and the session is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.processes import HubProcess, hub
from tests.sockets import RawSocket, application, upgrade

pytestmark = pytest.mark.slow

# A write that the answer did not wait for may be through all the same, now and then.
ROUNDS = 3


async def connect(server: HubProcess) -> RawSocket:
    return await upgrade(f"http://127.0.0.1:{server.port}")


async def restored(server: HubProcess, socket: RawSocket, id: str) -> tuple[RawSocket, set[str]]:
    """The server is killed this very moment; its next life is asked for the session's logs."""
    await server.kill()
    socket.close()
    await server.start()
    again = await connect(server)
    answer: dict[str, Any] = await again.ask({"type": "restore_session", "sessionId": id, "payload": {}})
    assert answer["type"] == "session_restored", answer
    return again, set(answer["payload"]["channels"])


async def ask(socket: RawSocket, value: dict[str, Any]) -> None:
    """The answer itself: a session that comes back is told of its rooms in between."""
    socket.send(value)
    while (answer := await socket.receive())["type"] != "ack":
        assert answer["type"] == "presence", answer


async def test_who_got_an_answer_is_known_after_a_kill(tmp_path: Path) -> None:
    async with hub(tmp_path, f"sqlite://{tmp_path / 'hub.db'}") as server:
        for number in range(ROUNDS):
            user = f"ann{number}"
            socket = await connect(server)
            id = (await socket.hello(user))["sessionId"]
            logs = {"all", f"user:{user}"}
            socket, found = await restored(server, socket, id)
            assert found == logs
            await ask(socket, application("command", user, "room:den", {"action": "join"}))
            socket, found = await restored(server, socket, id)
            assert found == logs | {"room:den"}
            await ask(socket, {"type": "subscribe", "channel": "topic:news.*", "messageId": id_of(number)})
            socket, found = await restored(server, socket, id)
            assert found == logs | {"room:den", "topic:news"}
            await ask(socket, application("command", user, "room:den", {"action": "leave"}))
            socket, found = await restored(server, socket, id)
            assert found == logs | {"topic:news"}
            socket.close()


def id_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"
