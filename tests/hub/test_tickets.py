from hubbub.hub.tickets import Tickets, hash_of

SESSION, OTHER = b"s" * 32, b"o" * 32


def expecting(ticket: str = "t", until: float = 10.0) -> Tickets:
    tickets = Tickets()
    tickets.expect(SESSION, hash_of(ticket), until)
    return tickets


def test_a_ticket_is_good_once() -> None:
    tickets = expecting()
    assert tickets.redeem(SESSION, "t", 9.0)
    assert not tickets.redeem(SESSION, "t", 9.0)


def test_a_ticket_is_good_for_its_session_and_its_time_alone() -> None:
    tickets = expecting()
    assert not tickets.redeem(OTHER, "t", 9.0)
    assert not tickets.redeem(SESSION, "t", 10.0)


def test_a_wrong_one_does_the_right_one_no_harm() -> None:
    tickets = expecting()
    for wrong in ("", "T", "t ", "\ud800", hash_of("t")):
        assert not tickets.redeem(SESSION, wrong, 9.0)
    assert tickets.redeem(SESSION, "t", 9.0)


def test_a_newer_one_takes_the_place_of_the_one_before() -> None:
    tickets = expecting("first")
    tickets.expect(SESSION, hash_of("second"), 20.0)
    assert not tickets.redeem(SESSION, "first", 9.0)
    assert tickets.redeem(SESSION, "second", 9.0)


def test_they_are_bounded_and_forgotten_in_time() -> None:
    tickets = Tickets(limit=3)
    for number in range(5):
        tickets.expect(bytes([number]) * 32, hash_of("t"), 10.0 + number)
    assert len(tickets) == 3
    tickets.sweep(13.0)
    assert len(tickets) == 1
    assert tickets.redeem(b"\4" * 32, "t", 13.5)
