"""The command line as a user types it."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubbub
from hubbub.cli.main import schema
from hubbub.protocol.schema import proto_text
from tests.sockets import upgrade

HUBBUB = [sys.executable, "-m", "hubbub.cli.main"]


def run(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HUBBUB, *words], capture_output=True, text=True, timeout=30, check=False, **more)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [*HUBBUB, "serve", "--anonymous", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Hubbub listens on" in line:
                yield line.split("listens on ")[1].split()[0], process
                break
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_contracts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    schema("json")
    assert json.loads(capsys.readouterr().out)["title"] == "WebSocketMessage"
    schema("protobuf")
    assert capsys.readouterr().out == proto_text()
    with pytest.raises(hubbub.ConfigurationError, match="json, protobuf"):
        schema("xml")


@pytest.mark.slow
def test_publish_and_subscribe_in_a_shell(server: tuple[str, subprocess.Popen[str]]) -> None:
    url = f"ws{server[0].removeprefix('http')}/ws"
    listener = subprocess.Popen(
        [*HUBBUB, "sub", "room:den", "--url", url, "--user", "ears", "--count", "2"], stdout=subprocess.PIPE, text=True
    )

    async def wait_for_the_listener() -> None:
        async with asyncio.timeout(20), hubbub.connect(url, user="watcher") as client:
            await client.join("room:den")
            while "ears" not in await client.members("room:den"):
                await asyncio.sleep(0.05)

    asyncio.run(wait_for_the_listener())
    assert run("pub", "room:den", "hello", "--url", url, "--user", "mouth").stdout == "room:den 1\n"
    assert run("pub", "room:den", "-", "--url", url, "--user", "mouth", input="again\n").stdout == "room:den 2\n"
    assert listener.communicate(timeout=10)[0] == "mouth: hello\nmouth: again\n"
    refused = run("pub", "all", "hi", "--url", url)
    assert (refused.returncode, refused.stderr.startswith("hubbub: forbidden")) == (1, True)


async def test_documents_are_served(server: tuple[str, subprocess.Popen[str]]) -> None:
    socket = await upgrade(server[0])
    await socket.hello("ann")
    joined = await socket.ask({"type": "join", "channel": "doc:a"})
    assert (joined["type"], joined["payload"]["recovered"]) == ("joined", False)
    assert (await socket.receive())["payload"]["document"]["content"] == ""
    socket.close()
    await socket.writer.wait_closed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(server: tuple[str, subprocess.Popen[str]], number: signal.Signals) -> None:
    url, process = server

    async def watch() -> int:
        reader = await upgrade(url)
        await reader.hello("ann")
        silent = await upgrade(url)
        await silent.hello("never reads again")
        process.send_signal(number)
        code = await reader.closing()
        reader.send_frame(8, b"\x03\xe9")
        reader.close(), silent.close()
        return code

    assert asyncio.run(watch()) == 1001
    assert process.wait(timeout=12) == 0


def test_what_is_in_flight_goes_out_first() -> None:
    async def scene() -> None:
        app = hubbub.Hubbub(port=0, anonymous=True)
        await app.start()
        socket_ = await upgrade(app.url)
        await socket_.hello("ann")
        await socket_.ask({"type": "subscribe", "channel": "topic:a.b"})
        publishing = [asyncio.create_task(app.publish("topic:a.b", str(number))) for number in range(50)]
        await asyncio.sleep(0)
        stopping = asyncio.create_task(app.stop())
        heard = [(await socket_.receive())["payload"]["content"] for _ in range(50)]
        assert await socket_.closing() == 1001
        socket_.close()
        await stopping
        await asyncio.gather(*publishing)
        assert heard == [str(number) for number in range(50)]

    asyncio.run(scene())


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--anonymous", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert done.stderr.startswith("hubbub: port: cannot listen on 127.0.0.1:")


def test_settings_beat_each_other_in_order(tmp_path: Path) -> None:
    file = tmp_path / "hubbub.toml"
    file.write_text(
        'port = 1\nnode = "file"\nroom_capacity = 7\n[[rooms]]\nid = "lobby"\n[jwt]\nsecret = "' + "x" * 32 + '"\n'
    )
    environment = {
        "HUBBUB_PORT": "2",
        "HUBBUB_NODE": "variable",
        "HUBBUB_ORIGINS": "https://a.example, https://b.example",
    }
    settings = hubbub.load_settings(file, environment, port=3, node=None)
    assert (settings.port, settings.node, settings.room_capacity) == (3, "variable", 7)
    assert settings.origins == ("https://a.example", "https://b.example")
    assert settings.rooms[0].id == "lobby"
    assert settings.jwt is not None


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"HUBBUB_PORT": "http"}, "port"),
        ({"HUBBUB_PORT": "70000"}, "port"),
        ({"HUBBUB_PROT": "1"}, "HUBBUB_PROT"),
        ({"HUBBUB_JWT_SECRET": "short"}, "jwt.secret"),
        ({"HUBBUB_ORIGINS": "example.org"}, "origins"),
        ({"HUBBUB_IDLE_AFTER": "0"}, "idle_after"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], names: str) -> None:
    with pytest.raises(hubbub.ConfigurationError) as raised:
        hubbub.load_settings(None, environment)
    assert names in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(hubbub.ConfigurationError, match="cannot read"):
        hubbub.load_settings(tmp_path / "none.toml", {})
