import pytest

import hubbub
from hubbub.errors import error_of

RANGES = {range(100, 110): hubbub.BadMessage, range(110, 120): hubbub.Denied, range(120, 130): hubbub.Conflict}


def test_every_code_has_a_number_of_its_own() -> None:
    numbers = hubbub.ProtocolError.NUMBERS
    assert len(set(numbers.values())) == len(numbers) == 21


@pytest.mark.parametrize("code", hubbub.ProtocolError.NUMBERS)
def test_a_code_over_the_wire_becomes_its_error(code: str) -> None:
    error = error_of(code, "why", field="payload", message_id="id", retry_after_ms=5)
    assert (error.code, error.number) == (code, hubbub.ProtocolError.NUMBERS[code])
    kinds = [kind for numbers, kind in RANGES.items() if error.number in numbers]
    expected = kinds[0] if kinds else hubbub.InternalError if code == "internal" else hubbub.TryLater
    assert type(error) is expected
    assert isinstance(error, hubbub.HubbubError)


def test_a_code_of_a_newer_peer_is_still_an_error() -> None:
    error = error_of("quantum_flux", "?")
    assert (type(error), error.number) == (hubbub.ProtocolError, 199)


@pytest.mark.parametrize(
    ("code", "reconnect"),
    [(1000, False), (1001, True), (1006, True), (1009, False), (1013, True), (4401, True), (4409, False), (4410, True)],
)
def test_which_ends_are_worth_another_try(code: int, reconnect: bool) -> None:
    assert hubbub.ConnectionClosed(code).reconnect is reconnect
