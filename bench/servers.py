"""The servers that are measured: how each is started, and which frames its clients send."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.workloads import Work

BENCH = Path(__file__).parent
PEERS = BENCH / "peers"
BINARIES = BENCH / "bin"

Kind = Literal["hub", "same", "least", "limit"]
"""The hub; a peer with the hub's semantics; a peer with the least it can do; the limit."""

TEXT = '{"type":"text","messageId":"%U","timestamp":%t,"sender":"u%I","channel":"{channel}","payload":{"content":"%T"}}'
ACK = '"type":"ack"'


@dataclass(frozen=True)
class Frames:
    """What the load generator says, and what it waits for."""

    path: str
    ready: str
    template: str
    protocol: str | None = None
    inits: tuple[str, ...] = ()
    ack: str | None = None
    confirm: str | None = None
    """What acknowledges deliveries; `%O` stands for the last offset."""
    engine_io: bool = False


@dataclass(frozen=True)
class Server:
    """One row of the table."""

    key: str
    title: str
    kind: Kind
    command: tuple[str, ...]
    """`{port}` stands for the port."""
    frames: Callable[[Work], Frames]
    needs: tuple[str, ...] = ()
    """Python packages it imports."""
    idle: bool = True
    """Whether to measure its idle memory: the same-semantics variants idle as the bare ones do."""

    def unavailable(self) -> str | None:
        """Say why it can't be run here, or None."""
        program = self.command[0]
        if shutil.which(program) is None:
            return f"{Path(program).name} is not there"
        missing = [name for name in self.needs if importlib.util.find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else None


def channel_of(work: Work) -> str:
    """Name the hub's channel of a connection's room."""
    return "topic:load.r%R" if work.channel == "topic" else "room:r%R"


def hub_frames(work: Work) -> Frames:
    """Every connection is a user of its own, since a room holds 100 users and not connections."""
    channel = channel_of(work)
    hello = '{"type":"hello","version":"1.2","payload":{"user":"u%I"}}'
    subscribe = f'{{"type":"subscribe","messageId":"%U","channel":"{channel}"}}'
    join = (
        f'{{"type":"command","messageId":"%U","timestamp":%t,"sender":"u%I","channel":"{channel}",'
        '"payload":{"action":"join"}}'
    )
    return Frames(
        path="/ws",
        protocol="hubbub.json",
        inits=(hello, subscribe if work.channel == "topic" else join),
        ready=ACK,
        template=TEXT.replace("{channel}", channel),
        ack=ACK,
    )


def bare_frames(_work: Work) -> Frames:
    """The hub's message as an opaque text: as many bytes in and out, and nobody looks inside."""
    return Frames(path="/room/%R", ready="joined", template=TEXT.replace("{channel}", "room:r%R"))


def same_frames(work: Work) -> Frames:
    """The hub's messages; the room stands in the URL, as joining is not what is measured."""
    template = TEXT.replace("{channel}", channel_of(work))
    return Frames(path="/room/%R", ready="joined", template=template, ack=ACK)


def socketio_frames(_work: Work) -> Frames:
    """An event whose argument has the length of the hub's message."""
    text = TEXT.replace("{channel}", "room:r%R").replace('"', "'")
    return Frames(
        path="/socket.io/?EIO=4&transport=websocket&room=r%R",
        inits=("40",),
        ready='42["joined"]',
        template=f'42["message","{text}"]',
        engine_io=True,
    )


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"bench.peers.{module}", "{port}")


def _node(script: str) -> tuple[str, ...]:
    return ("node", str(PEERS / script), "{port}")


def hub_command(program: Path) -> tuple[str, ...]:
    """Start the hub, with its log in memory unless more is said."""
    return (str(program), "serve", "--anonymous", "--port", "{port}")


def all_servers(hub_program: Path) -> tuple[Server, ...]:
    """List them, the hub first."""
    return (
        Server("hub", "hubbub", "hub", hub_command(hub_program), hub_frames),
        Server(
            "socketify-same",
            "uWebSockets (socketify), same semantics",
            "same",
            _python("socketify_same"),
            same_frames,
            ("socketify", "msgspec"),
            idle=False,
        ),
        Server("ws-same", "node ws, same semantics", "same", _node("ws_same.mjs"), same_frames, idle=False),
        Server(
            "socketify",
            "uWebSockets (socketify), native publish",
            "least",
            _python("socketify_publish"),
            bare_frames,
            ("socketify",),
        ),
        Server("ws", "node ws", "least", _node("ws_loop.mjs"), bare_frames),
        Server(
            "websockets",
            "websockets, broadcast()",
            "least",
            _python("websockets_broadcast"),
            bare_frames,
            ("websockets", "uvloop"),
        ),
        Server(
            "starlette",
            "Starlette on uvicorn",
            "least",
            _python("starlette_loop"),
            bare_frames,
            ("starlette", "uvicorn", "uvloop", "httptools"),
        ),
        Server("socketio-node", "Socket.IO (node)", "least", _node("socketio_node.mjs"), socketio_frames),
        Server(
            "socketio",
            "python-socketio on uvicorn",
            "least",
            _python("socketio_uvicorn"),
            socketio_frames,
            ("socketio", "uvicorn", "uvloop", "httptools"),
        ),
        Server("cloop", "C loop over send()", "limit", (str(BINARIES / "cloop"), "{port}"), bare_frames),
    )
