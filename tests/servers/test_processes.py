import sys
from pathlib import Path

import pytest

from tests.servers.processes import Server


def test_a_server_that_ends_is_not_waited_for_and_its_words_are_told(tmp_path: Path) -> None:
    server = Server(tmp_path, [sys.executable, "-c", "raise SystemExit('the port is in use')"])
    server.start()
    with pytest.raises(AssertionError, match=r"(?s)it ended with 1.*the port is in use"):
        server.wait_until(lambda: False, 60)


def test_a_server_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    server = Server(tmp_path, [sys.executable, "-c", "input()"])
    server.start()
    process = server._process
    assert process is not None
    with pytest.raises(AssertionError, match="it did not come"):
        server.wait_until(lambda: False, 0)
    assert process.returncode is not None
