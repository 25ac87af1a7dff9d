"""Real servers for tests: each on free loopback ports, in a directory of its own, gone with the test session."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def require(program: str) -> str:
    """The path of a program; without it the test is skipped, and fails where `CI` is set."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed (as root, `make servers` does it)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Asks again and again until the condition holds. For what says nothing by itself."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


class Server:
    """A process with its output in a file. `start` anew after `kill`, with the same words or others."""

    def __init__(self, place: Path, words: Sequence[str]) -> None:
        self.place = place
        self.words = list(words)
        self._process: subprocess.Popen[bytes] | None = None
        place.mkdir(parents=True, exist_ok=True)

    def start(self, *more: str) -> None:
        with (self.place / "output").open("ab") as output:
            self._process = subprocess.Popen([*self.words, *more], stdout=output, stderr=output, cwd=self.place)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """At once, as by a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def output(self) -> str:
        return (self.place / "output").read_text(errors="replace")
