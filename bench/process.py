"""Server processes: pinned to a core, ready when their port answers, always killed."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRATCH = ROOT / "reports" / "bench"
"""Never committed."""
READY_SECONDS = 15.0


class BenchError(Exception):
    """A measurement that could not be made; the text says why."""


def cores() -> tuple[int, int]:
    """Choose the server's core and the load generator's; they are one where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1 % len(usable)]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Bind this process to a core, so that what it starts meanwhile is bound there from the start."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def roaming(pid: int) -> Iterator[None]:
    """Let a process that is bound to a core run on all of them meanwhile."""
    before = os.sched_getaffinity(pid)
    _bind(pid, os.sched_getaffinity(0))
    try:
        yield
    finally:
        _bind(pid, before)


def _bind(pid: int, cores: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        # One that has ended meanwhile need not be bound.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    ended = f"ended with {process.returncode}" if process.returncode is not None else "did not answer"
    raise BenchError(f"the server {ended}")


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that live."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder for files that are to be on a disk, which the system's folder for such things need not be."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        yield Path(folder)


@contextmanager
def running(
    command: Sequence[str],
    core: int,
    *,
    gently: bool = False,
    family: bool = False,
    port: int | None = None,
    patience: float = READY_SECONDS,
) -> Iterator[tuple[int, int]]:
    """Run a server; yields its port and process id. `gently`: ends it by SIGTERM, and waits.

    `family` says that it may have child processes, whose time and memory whoever measures looks after. A `port` is
    one that the command knows already. `patience` in seconds.
    """
    port = port or free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    with tempfile.TemporaryFile() as log:
        with pinned(core):
            process = subprocess.Popen(
                words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _wait_until_it_answers(process, port, patience)
            if not family and children_of(process.pid):
                raise BenchError("the server has child processes, whose memory and time would not be counted")
            yield port, process.pid
        except BenchError as error:
            log.seek(0)
            said = log.read().decode(errors="replace").strip()
            raise BenchError(f"{error}\n{said[-1000:]}" if said else str(error)) from None
        finally:
            if gently and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(15)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
