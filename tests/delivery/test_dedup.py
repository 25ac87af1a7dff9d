from hubbub.delivery.dedup import Windows


def put(windows: Windows[int], session: str, *numbers: int, now: float = 0.0) -> list[int]:
    return [dropped for number in numbers for dropped in windows.put(session, str(number), number, now)]


def known(windows: Windows[int], session: str, numbers: range, now: float = 0.0) -> list[int]:
    return [number for number in numbers if windows.find(session, str(number), now) is not None]


def test_the_last_ids_of_a_session_are_remembered() -> None:
    windows: Windows[int] = Windows(size=3)
    assert put(windows, "s", 1, 2, 3, 4, 5) == [1, 2]
    assert known(windows, "s", range(10)) == [3, 4, 5]
    assert known(windows, "t", range(10)) == []
    assert len(windows) == 3


def test_a_window_is_cut_when_it_is_worth_while() -> None:
    windows: Windows[int] = Windows(size=3, slack=2)
    assert put(windows, "s", 1, 2, 3, 4, 5) == []
    assert put(windows, "s", 6) == [1, 2, 3]
    assert len(windows) == 3


def test_ids_are_remembered_for_a_while() -> None:
    windows: Windows[int] = Windows(size=3, age=10)
    put(windows, "s", 1, now=0)
    put(windows, "s", 2, now=5)
    assert known(windows, "s", range(3), now=10) == [1, 2]
    assert known(windows, "s", range(3), now=11) == [2]
    put(windows, "s", 1, now=12)
    assert put(windows, "s", 3, 4, now=12) == [2], "an id that came again is as young as its last time"
    assert len(windows) == 3


def test_sessions_that_are_silent_make_room_for_new_ones() -> None:
    windows: Windows[int] = Windows(age=10)
    put(windows, "a", 1, 2, now=0)
    put(windows, "b", 1, now=9)
    put(windows, "c", 1, now=11)
    assert ("a" in windows, "b" in windows) == (False, True)
    assert len(windows) == 2


def test_all_sessions_together_are_bounded() -> None:
    windows: Windows[int] = Windows(size=10, total=10)
    put(windows, "a", 1, 2, 3, 4)
    put(windows, "b", 1, 2, 3, 4)
    put(windows, "a", 5)
    put(windows, "c", 1, 2)
    assert ("a" in windows, "b" in windows, "c" in windows) == (True, False, True), "b was silent longest"
    assert len(windows) == 7
    windows.open("a", 0).pins = 1
    put(windows, "d", 1, 2, 3, 4, 5)
    assert ("a" in windows, "c" in windows) == (True, False), "what is pinned stays"
    put(windows, "a", 6, 7, 8, 9, 10)
    assert "d" not in windows
    assert len(windows) == 10


def test_a_session_or_an_id_can_be_forgotten() -> None:
    windows: Windows[int] = Windows()
    put(windows, "s", 1, 2)
    windows.discard("s", "1", 7)
    assert known(windows, "s", range(5)) == [1, 2], "something else became of it"
    windows.discard("s", "1", 1)
    windows.discard("s", "1", 1)
    windows.discard("t", "1", 1)
    assert known(windows, "s", range(5)) == [2]
    windows.forget("s")
    windows.forget("s")
    assert (known(windows, "s", range(5)), len(windows)) == ([], 0)


def test_what_was_known_before_can_be_restored() -> None:
    windows: Windows[int] = Windows(size=3, age=10, total=1)
    windows.open("s", 0)
    for number in (1, 2, 1):
        windows.restore("s", str(number), number, 5.0)
    assert (known(windows, "s", range(5), now=15), len(windows)) == ([1, 2], 2)
    assert put(windows, "s", 3, 4, now=6) == [2], "what was restored last is the younger"
