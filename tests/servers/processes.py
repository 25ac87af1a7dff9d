"""Real servers for tests: each on free loopback ports, in a directory of its own, gone with the test session."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


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

    def wait_until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Asks until the condition holds. A server that ended or takes too long is killed, and what it said is told."""
        process = self._process
        assert process is not None
        try:
            wait_until(lambda: process.poll() is not None or condition(), seconds)
            assert process.poll() is None, f"it ended with {process.poll()}"
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{self.words[0]}: {error}\n{self.output()[-2000:]}") from None

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
