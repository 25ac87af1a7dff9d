from pathlib import Path

import pytest

from hubbub.backends.sqlite.connection import Connection, connect
from hubbub.backends.sqlite.storage import open_storage
from hubbub.errors import TryLater
from hubbub.ports import Append, Appended, Refused
from hubbub.ports.answers import answer


@pytest.mark.parametrize("inline", [False, True], ids=["threads", "inline"])
async def test_a_disk_that_fills_up_and_is_emptied(small_disk: Path, inline: bool) -> None:
    storage = open_storage(small_disk / "hub.db", inline=inline, ring_messages=2)

    async def append(record: bytes, message_id: str = "") -> Appended | Refused:
        return (await answer(storage.log.append([Append("a", record, "s" if message_id else "", message_id)])))[0]

    async def read() -> list[bytes]:
        return [record for _, record in (await answer(storage.log.read("a", limit=1000))).entries]

    (small_disk / "ballast").write_bytes(b"x" * 300_000)
    stored = 0
    while isinstance(result := await append(b"%d" % stored + b"x" * 5000), Appended):
        stored += 1
    assert result == Refused("unavailable", "the disk is full")
    assert 10 < stored < 200
    for _ in range(5):
        assert isinstance(await append(b"y" * 5000, "id"), Refused)
        assert len(await read()) == stored, "what is there can be read"
    with pytest.raises(TryLater, match="the disk is full"):
        await answer(storage.directory.put("fact", b"x" * 50_000))
    (small_disk / "ballast").unlink()
    again = await append(b"after", "id")
    assert isinstance(again, Appended)
    assert not again.repeated, "an id that was refused may be used again"
    assert (await read())[-1] == b"after"
    assert len(await read()) == stored + 1
    await storage.close()


async def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The same by SQLite's own bound, for those who may not mount."""
    limit = [64]

    def bounded(path: Path, readonly: bool) -> Connection:
        connection = connect(path, readonly)
        if not readonly:
            connection.execute(f"PRAGMA max_page_count = {limit[0]}")
        return connection

    storage = open_storage(tmp_path / "hub.db", connect=bounded)
    answers: list[Appended | Refused] = []
    while len(answers) < 5 or isinstance(answers[-1], Appended):
        answers += await answer(storage.log.append([Append("a", b"x" * 5000)]))
    assert answers[-1] == Refused("unavailable", "the disk is full")
    await storage.close()
    limit[0] = 1000
    storage = open_storage(tmp_path / "hub.db", connect=bounded)
    (after,) = await answer(storage.log.append([Append("a", b"x" * 5000)]))
    assert isinstance(after, Appended)
    assert after.offset == len(answers), "nothing that was refused is there"
    await storage.close()
