import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hubbub.backends.sqlite.connection import Connection, connect
from hubbub.backends.sqlite.storage import open_storage
from hubbub.errors import ConfigurationError
from hubbub.ports import Append
from tests.backends.sqlite.helpers import close, inline


def refused(path: Path, **given: object) -> str:
    """The message with which a file is refused."""
    with pytest.raises(ConfigurationError) as raised:
        open_storage(path, **given)  # type: ignore[arg-type]
    assert raised.value.setting == "log"
    return str(raised.value)


def test_a_file_is_made_for_this_user_only(tmp_path: Path) -> None:
    close(inline(tmp_path / "hub.db"))
    assert (tmp_path / "hub.db").stat().st_mode & 0o777 == 0o600


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "is a directory; name a file in it" in refused(tmp_path)


def test_the_directory_must_be_there(tmp_path: Path) -> None:
    assert "create it" in refused(tmp_path / "nowhere" / "hub.db")


def test_what_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(b"this is no database at all " * 1000)
    assert "damaged or no SQLite file" in refused(path)
    assert path.read_bytes().startswith(b"this is no"), "it is left as it is"


def test_a_database_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    close(inline(path))
    content = bytearray(path.read_bytes())
    content[100:4096] = os.urandom(3996)
    path.write_bytes(content)
    assert "damaged" in refused(path)


@pytest.mark.parametrize("table", ["logs", "seen"])
@pytest.mark.parametrize("threads", [False, True])
def test_a_table_that_is_damaged(tmp_path: Path, table: str, threads: bool) -> None:
    path = tmp_path / "hub.db"
    close(inline(path))
    with closing(sqlite3.connect(path)) as other:
        page = other.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    for _ in range(2):
        assert "damaged" in refused(path, inline=not threads), "and it is not left locked"


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.close()
    assert "belongs to another program" in refused(path)


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    close(inline(path))
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    assert "newer Hubbub; upgrade" in refused(path)


def test_a_file_belongs_to_one_hub(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    first = inline(path)
    assert f"in use by another hub (process {os.getpid()})" in refused(path)
    first.log.append([Append("a", b"1")])
    close(first)
    close(inline(path))


def test_a_file_belongs_to_one_process(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    holder = (
        "import sys; from hubbub.backends.sqlite.storage import open_storage;"
        "open_storage(sys.argv[1], inline=True); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert f"in use by another hub (process {other.pid})" in refused(path)
        other.kill()
    close(inline(path))


def test_a_file_that_another_program_has_locked(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"

    def impatient(path: Path, readonly: bool) -> Connection:
        connection = connect(path, readonly)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    close(inline(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert "locked by another program" in refused(path, connect=impatient)
    other.close()


@pytest.mark.parametrize("where", ["", "/.."], ids=["file", "directory"])
def test_a_read_only_file(tmp_path: Path, where: str) -> None:
    path = tmp_path / "hub.db"
    close(inline(path))
    place = Path(f"{path}{where}").resolve()
    place.chmod(0o500)
    code = (
        "import sys; from hubbub.backends.sqlite.storage import open_storage\n"
        "from hubbub.errors import ConfigurationError\n"
        "try: open_storage(sys.argv[1], inline=True)\n"
        "except ConfigurationError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(path)]
    if os.geteuid() == 0:
        # Rights do not hold for root, whoever has no privileges is held by them.
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is needed to do without root's rights")
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--securebits=+noroot", *command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        place.chmod(0o700)
    assert done.stdout.startswith("log: ")
    assert "cannot be written" in done.stdout
    assert "give this user the right to, or name another file" in done.stdout


def test_a_read_only_file_system(small_disk: Path) -> None:
    path = small_disk / "hub.db"
    close(inline(path))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "cannot be written" in refused(path)
