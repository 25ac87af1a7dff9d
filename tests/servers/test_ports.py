import socket
from pathlib import Path

import pytest

from tests.servers import ports
from tests.servers.ports import free_port


def test_a_port_is_given_once_and_no_outgoing_connection_gets_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ephemeral = tmp_path / "range"
    ephemeral.write_text("13100\t60999\n")
    monkeypatch.setattr(ports, "_EPHEMERAL", ephemeral)
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == 200
    assert max(given) < 13100


def test_where_everything_is_ephemeral_a_port_is_free_at_least(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ephemeral = tmp_path / "range"
    ephemeral.write_text("1024\t65535\n")
    monkeypatch.setattr(ports, "_EPHEMERAL", ephemeral)
    with socket.socket() as one:
        one.bind(("127.0.0.1", free_port()))


def test_a_port_that_somebody_has_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        had = taken.getsockname()[1]
        guesses = iter((had, had, 0))
        monkeypatch.setattr(ports, "_guess", lambda: next(guesses))
        assert free_port() != had
        assert next(guesses, None) is None
