"""A PostgreSQL server, which refuses to be root."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.processes import Server, require


def program(name: str) -> str:
    """Debian keeps these out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else require(name)


def user() -> str | None:
    """As whom it is to run: nobody else, unless this is root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("there is no user postgres, and as root PostgreSQL does not run")


class PostgresServer(Server):
    """One server with a database of its own, without passwords. What it says is committed is on disk."""

    def __init__(self) -> None:
        self._user = user()
        initdb, postgres = program("initdb"), program("postgres")
        # Not below a directory that only the test's user may enter.
        place = Path(tempfile.mkdtemp(prefix="hubbub-postgres-"))
        if self._user is not None:
            shutil.chown(place, self._user)
        self.port = free_port()
        data = place / "data"
        subprocess.run(
            [initdb, "--pgdata", str(data), "--username", "hub", "--auth", "trust", "--encoding", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=place,
            user=self._user,
        )
        words = [postgres, "-D", str(data), "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"]
        super().__init__(place, [*words, "-c", f"unix_socket_directories={place}"])

    @property
    def url(self) -> str:
        return f"postgresql://hub@127.0.0.1:{self.port}/postgres"

    def start(self, *more: str) -> None:
        """Returns when it answers."""
        output = self.place / "output"
        with output.open("ab") as said:
            words = [*self.words, *more]
            self._process = subprocess.Popen(words, stdout=said, stderr=said, cwd=self.place, user=self._user)
        self.wait_until(self.answers)

    def crash(self) -> None:
        """All of its processes end at once, without a word to their clients; it recovers when it is started."""
        self.signal(signal.SIGQUIT)
        assert self._process is not None
        self._process.wait(20)

    def answers(self) -> bool:
        words = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(words, check=False).returncode == 0

    def remove(self) -> None:
        """It is over, and nothing is left of it."""
        self.crash()
        shutil.rmtree(self.place, ignore_errors=True)
