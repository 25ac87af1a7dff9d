import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.sqlite.helpers import Rows
from tests.backends.sqlite.tap import Tap


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.fixture
def tap() -> Tap:
    return Tap()


@pytest.fixture
def rows(path: Path) -> Rows:
    return Rows(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system takes root")
    yield place
    subprocess.run(["umount", str(place)], check=True)
