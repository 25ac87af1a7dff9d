"""What all of these tests need."""

from __future__ import annotations

import resource

import pytest

from tests.chaos.test_chaos import CLIENTS

FILES_EACH = 4


@pytest.fixture(autouse=True)
def _files() -> None:
    """A thousand clients need more sockets than a process may have by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CLIENTS * FILES_EACH + 200
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
