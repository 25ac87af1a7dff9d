"""Real processes for tests: nodes, and what stands before them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.servers.ports import free_port
from tests.sockets import RawSocket

HUBBUB = [sys.executable, "-m", "hubbub.cli.main"]
_READY = 20.0


def need(program: str) -> str:
    """The path of a program; without it the test is skipped, but not where everything has to be there."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing, and CI has to have it (make proxies)")
        pytest.skip(f"{program} is missing (make proxies)")
    return found


def wait_for_port(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _READY
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"{process.args!r} does not answer")


class Upstream(Protocol):
    """What stands behind a proxy."""

    @property
    def option(self) -> str:
        """NAME=host:port."""
        ...


class Node:
    """A `hubbub serve` process; `folder` is for what it keeps while it runs."""

    def __init__(self, name: str, *words: str, folder: Path | None = None, **settings: str) -> None:
        self.name = name
        environment = {f"HUBBUB_{key.upper()}": value for key, value in settings.items()}
        if folder is not None:
            environment["TMPDIR"] = str(folder)
        self.process = subprocess.Popen(
            [*HUBBUB, "serve", "--anonymous", "--port", "0", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "HUBBUB_NODE": name, **environment},
        )
        self.port = 0

    def wait(self) -> Node:
        """Until it listens."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "listens on" in line:
                self.port = int(line.split("listens on ")[1].split()[0].rpartition(":")[2])
                return self
        raise AssertionError(f"{self.name} did not start")

    @property
    def option(self) -> str:
        return f"{self.name}=127.0.0.1:{self.port}"

    def kill(self) -> None:
        """At once, without a word to anybody."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def running_nodes(*names: str, **settings: str) -> Iterator[list[Node]]:
    """So many nodes at once."""
    with ExitStack() as stack:
        nodes = []
        for name in names:
            nodes.append(Node(name, **settings))
            stack.callback(nodes[-1].end)
        yield [node.wait() for node in nodes]


@contextmanager
def running_proxy(
    kind: str, folder: Path, nodes: Sequence[Upstream], *words: str, port: int | None = None
) -> Iterator[int]:
    """nginx or HAProxy with the configuration that `hubbub` prints, checked first; its port."""
    program = need(kind)
    port = port or free_port()
    command = [*HUBBUB, kind, "--host", "127.0.0.1", "--port", str(port), *words]
    for node in nodes:
        command += ["--node", node.option]
    file = folder / f"{kind}.conf"
    file.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if kind == "nginx":
        place = ["-c", str(file), "-p", str(folder), "-g", f"daemon off; pid {folder}/nginx.pid; error_log stderr;"]
        checked = subprocess.run([program, "-t", *place], check=False, capture_output=True, text=True)
        start = [program, *place]
    else:
        checked = subprocess.run([program, "-c", "-f", str(file)], check=False, capture_output=True, text=True)
        start = [program, "-f", str(file), "-db"]
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr.lower(), checked.stderr
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(start, stdout=log, stderr=log, text=True)
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def node_of(ws: RawSocket, user: str = "ann") -> str:
    """Says hello; the node that answers."""
    welcome = await ws.hello(user)
    return str(welcome["payload"]["node"])
