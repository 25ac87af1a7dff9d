import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.collab import texts
from hubbub.collab.texts import TextStore


@given(st.data())
def test_it_is_as_a_plain_text(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # Chunks so small that every edit meets their ends.
        patch.setattr(texts, "_LARGEST", data.draw(st.sampled_from([4, 8, 16])))
        plain = data.draw(st.text("ab🙂\n", max_size=20)).encode("utf-16-le")
        store = TextStore(plain.decode("utf-16-le"))
        for _ in range(data.draw(st.integers(0, 8))):
            length = len(plain) // 2
            start = data.draw(st.integers(0, length))
            end = data.draw(st.integers(start, length))
            assert store.cut(start, end) == plain[start * 2 : end * 2]
            inserted = data.draw(st.text("xy🙂", max_size=9)).encode("utf-16-le")
            cuts = _is_low(plain, start) or _is_low(plain, end)
            if data.draw(st.booleans()) and not cuts:
                # Whoever splices has made sure that it cuts no pair.
                store.splice(start, end - start, inserted)
            else:
                assert store.replace(start, end - start, inserted) is not cuts
                if cuts:
                    continue
            plain = plain[: start * 2] + inserted + plain[end * 2 :]
            assert store.length == len(plain) // 2
            assert b"".join(store._chunks) == plain
            for position in range(store.length + 1):
                assert store.splits(position) is _is_low(plain, position)


def _is_low(units: bytes, position: int) -> bool:
    """Whether the second half of a pair is there."""
    return 0 < position < len(units) // 2 and 0xDC <= units[position * 2 + 1] < 0xE0


def test_a_large_text_is_held_in_chunks() -> None:
    rng = random.Random(1)
    plain = "0123456789" * 50_000
    store = TextStore(plain)
    for _ in range(300):
        at, deleted, inserted = rng.randrange(len(plain) - 40_000), rng.randrange(2000), "x" * rng.randrange(4000)
        if rng.random() < 0.05:
            deleted *= 15
        store.splice(at, deleted, inserted.encode("utf-16-le"))
        plain = plain[:at] + inserted + plain[at + deleted :]
    assert str(store) == plain
    assert store.size == len(plain) * 2
    assert all(0 < len(chunk) <= texts._LARGEST for chunk in store._chunks)
    store.splice(0, store.length, b"")
    assert str(store) == ""
    store.splice(0, 0, b"a\0")
    assert str(store) == "a"


def test_no_halves_of_pairs() -> None:
    with pytest.raises(ValueError):
        TextStore("a\ud83d")
