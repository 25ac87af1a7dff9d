"""ZooKeeper: one server."""

import os
import socket
from pathlib import Path

import pytest

from tests.servers.processes import Server, free_port, require, wait_until

_JAR = Path("/usr/share/java/zookeeper.jar")


class ZookeeperServer(Server):
    """One server with its data in a folder, which outlives it."""

    def __init__(self, place: Path) -> None:
        java = require("java")
        if not _JAR.exists():
            reason = "ZooKeeper is not installed (as root, `make servers` does it)"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        settings = place / "zoo.cfg"
        program = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        super().__init__(place, [java, "-Xmx128m", "-cp", str(_JAR), program, str(settings)])
        self.port = free_port()
        settings.write_text(
            f"tickTime=200\ndataDir={place}/data\nclientPortAddress=127.0.0.1\nclientPort={self.port}\n"
            "admin.enableServer=false\n4lw.commands.whitelist=srvr\nmaxClientCnxns=0\nmaxSessionTimeout=20000\n"
        )

    @property
    def url(self) -> str:
        return f"zookeeper://127.0.0.1:{self.port}"

    def start(self, *more: str) -> None:
        """Returns when it answers."""
        super().start(*more)
        wait_until(self.answers, 30)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as wire:
                wire.sendall(b"srvr")
                return b"Zookeeper version" in wire.recv(4096)
        except OSError:
            return False
