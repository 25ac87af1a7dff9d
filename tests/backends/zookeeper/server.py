"""A real ZooKeeper on a free port: started, stopped, killed, started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

JAR = Path("/usr/share/java/zookeeper.jar")
READY_SECONDS = 30.0


def need_zookeeper() -> None:
    """Skips without ZooKeeper; where CI says that it has to be there, fails."""
    if JAR.exists() and shutil.which("java"):
        return
    what = "ZooKeeper is missing (Debian: apt-get install zookeeper)"
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


class ZookeeperServer:
    """One server with its data in a folder, over as many lives as it takes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        (folder / "zoo.cfg").write_text(
            f"tickTime=200\ndataDir={folder}/data\nclientPortAddress=127.0.0.1\nclientPort={self.port}\n"
            "admin.enableServer=false\n4lw.commands.whitelist=srvr\nmaxClientCnxns=0\nmaxSessionTimeout=20000\n"
        )

    @property
    def url(self) -> str:
        return f"zookeeper://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers."""
        words = ["-Xmx128m", "-cp", str(JAR), "org.apache.zookeeper.server.quorum.QuorumPeerMain"]
        with (self._folder / "said").open("ab") as output:
            self._process = subprocess.Popen(
                ["java", *words, str(self._folder / "zoo.cfg")], stdout=output, stderr=output
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"ZooKeeper did not start: {(self._folder / 'said').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=15)

    def kill(self) -> None:
        """Without a word, as if the power had failed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=15)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as wire:
                wire.sendall(b"srvr")
                return b"Zookeeper version" in wire.recv(4096)
        except OSError:
            return False
