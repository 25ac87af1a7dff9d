from hubbub.backends.memory.sessions import MemorySessions
from hubbub.ports import SessionRecord
from hubbub.testing.clock import VirtualClock


def test_what_expired_is_held_in_no_index() -> None:
    wall = VirtualClock()
    sessions = MemorySessions(wall=wall)
    for number in range(1000):
        wall.advance(1)
        record = SessionRecord(f"d{number}", "k", f"u{number}", f"c{number}", wall(), wall() + 10, b"")
        assert sessions.save(record)
    assert len(sessions._records) < 150, "what expired goes without being asked for"
    assert len(sessions._users) == len(sessions._connections) == len(sessions._records)
    wall.advance(100)
    for number in range(1000):
        assert sessions.load(f"d{number}") is None
    assert (sessions._records, sessions._users, sessions._connections) == ({}, {}, {})
