from hubbub.backends.memory.log import MemoryLog
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended
from hubbub.testing.clock import VirtualClock


def put(log: MemoryLog, name: str, size: int = 10, message_id: str = "") -> Appended:
    (result,) = log.append([Append(name, b"{" + b"x" * (size - 1), "session" if message_id else "", message_id)])
    assert isinstance(result, Appended)
    return result


def test_a_log_keeps_what_it_is_told_to() -> None:
    clock = VirtualClock()
    policy = RetentionPolicy(Retention(messages=3, size=1000, age=10))
    log = MemoryLog(retention=policy, memory=5900, clock=clock)
    offsets = [put(log, "a").offset for _ in range(5)]
    page = log.read("a", limit=10)
    assert (offsets, [o for o, _ in page.entries], page.oldest, page.head) == ([1, 2, 3, 4, 5], [3, 4, 5], 3, 5)
    put(log, "a", 995)
    assert log.read("a", limit=10).oldest == 6
    clock.advance(11)
    page = log.read("a", limit=10)
    assert (page.entries, page.oldest, page.head) == ([], 7, 6)
    epoch = put(log, "a").epoch
    for name in ("b", "c", "d"):
        put(log, name, 990)
    assert log.read("a", limit=1).head == 0, "the log that was silent longest went"
    assert put(log, "a").epoch != epoch


def test_each_log_has_the_retention_of_its_pattern() -> None:
    policy = RetentionPolicy(
        Retention(messages=4), [("topic:*", Retention(messages=1)), ("room:*", Retention(messages=2))]
    )
    log = MemoryLog(retention=policy)
    for name in ("topic:a", "room:a", "user:a"):
        for _ in range(9):
            put(log, name)
    kept = [len(log.read(name, limit=10).entries) for name in ("topic:a", "room:a", "user:a")]
    assert kept == [1, 2, 4]


def test_message_ids_are_remembered_as_long_as_it_is_told() -> None:
    clock = VirtualClock()
    log = MemoryLog(clock=clock, dedup_window=3, dedup_age=10)
    for number in range(5):
        put(log, "a", message_id=f"{number}")
    assert put(log, "a", message_id="2").repeated
    assert not put(log, "a", message_id="1").repeated
    clock.advance(11)
    assert not put(log, "a", message_id="4").repeated
    assert put(log, "a", message_id="4").repeated


def test_memory_is_given_back() -> None:
    """What the bound goes by is what is really held, whatever was done with the logs."""
    clock = VirtualClock()
    policy = RetentionPolicy(
        Retention(messages=5, age=3), [("c*", Retention(messages=5, age=3, conflate=True, keys=4))]
    )
    log = MemoryLog(retention=policy, memory=40_000, clock=clock)
    for number in range(3000):
        name = f"{'c' if number % 2 else 'p'}{number % 60}"
        log.append([Append(name, b"x" * (number % 50), key=f"k{number % 7}")])
        if number % 5 == 0:
            clock.advance(0.1)
            log.read(f"p{number % 60}", limit=1)
            log.read(f"c{number % 60}", limit=1)
    assert log._used == sum(ring.cost + 600 for ring in log._rings.values())
    assert log._used <= 40_000
