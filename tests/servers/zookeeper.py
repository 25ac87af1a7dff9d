"""ZooKeeper: one server, or an ensemble of three."""

import os
import socket
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.processes import Server, require

_JAR = Path("/usr/share/java/zookeeper.jar")
_QUICK = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""It lives for seconds: starting is what it does most."""


class ZookeeperServer(Server):
    """One server with its data in a folder, which outlives it. `more` are lines of its settings."""

    def __init__(self, place: Path, *more: str) -> None:
        java = require("java")
        if not _JAR.exists():
            reason = "ZooKeeper is not installed (as root, `make servers` does it)"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        settings = place / "zoo.cfg"
        program = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        super().__init__(place, [java, *_QUICK, "-cp", str(_JAR), program, str(settings)])
        self.port = free_port()
        settings.write_text(
            f"tickTime=200\ndataDir={place}/data\nclientPortAddress=127.0.0.1\nclientPort={self.port}\n"
            "admin.enableServer=false\n4lw.commands.whitelist=srvr\nmaxClientCnxns=0\nmaxSessionTimeout=20000\n"
            + "".join(f"{line}\n" for line in more)
        )

    @property
    def url(self) -> str:
        return f"zookeeper://127.0.0.1:{self.port}"

    def start(self, *more: str) -> None:
        """Returns when it answers."""
        super().start(*more)
        self.wait_until(self.answers, 30)

    def answers(self) -> bool:
        return bool(self.mode())

    def mode(self) -> str:
        """`standalone`, `leader` or `follower`; empty while it does not serve."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as wire:
                wire.sendall(b"srvr")
                said = b"".join(iter(lambda: wire.recv(4096), b"")).decode()
        except OSError:
            return ""
        return said.partition("Mode: ")[2].partition("\n")[0]


class ZookeeperThree:
    """An ensemble of three servers."""

    def __init__(self, place: Path) -> None:
        peers = [f"server.{number}=127.0.0.1:{free_port()}:{free_port()}" for number in (1, 2, 3)]
        self.servers = [
            ZookeeperServer(place / str(number), "initLimit=50", "syncLimit=10", *peers) for number in (1, 2, 3)
        ]
        for number, server in enumerate(self.servers, 1):
            (server.place / "data").mkdir()
            (server.place / "data/myid").write_text(f"{number}")

    @property
    def url(self) -> str:
        return "zookeeper://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    @property
    def leader(self) -> ZookeeperServer:
        return next(server for server in self.servers if server.mode() == "leader")

    def start(self) -> None:
        """Returns when all serve."""
        try:
            for server in self.servers:
                Server.start(server)
            for server in self.servers:
                server.wait_until(server.answers, 60)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        for server in self.servers:
            server.kill()
