"""What every `Mailbox` promises, as tests. Whoever writes a backend runs it through them:

class TestMyMailbox(MailboxContract):
    async def make_mailboxes(self, count: int) -> Sequence[Mailbox]:
        store = await start_store()
        return [MyMailbox(store) for _ in range(count)]

They are coroutines: run them with pytest-asyncio in auto mode, or anything that awaits tests.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager

from hubbub.ports import Mailbox
from hubbub.ports.answers import answer
from hubbub.testing.waiting import Changes


class Letters:
    """What came to a topic, in order. Pass `receive` to `Mailbox.open`."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.all: list[bytes] = []

    def receive(self, message: bytes) -> None:
        self.all.append(message)
        self.changes.note()

    async def until(self, last: bytes) -> list[bytes]:
        """What came, once this is the last."""
        await self.changes.until(lambda: self.all[-1:] == [last])
        return self.all


class MailboxContract:
    """Collected by pytest in a subclass whose name begins with `Test`."""

    @abstractmethod
    def make_mailboxes(self, count: int) -> Sequence[Mailbox] | Awaitable[Sequence[Mailbox]]:
        """So many nodes' mailboxes of one new exchange. They are closed by the suite."""

    @asynccontextmanager
    async def opened(self, count: int = 2) -> AsyncIterator[Sequence[Mailbox]]:
        """The mailboxes of so many nodes, closed at the end."""
        boxes = await answer(self.make_mailboxes(count))
        try:
            yield boxes
        finally:
            for box in boxes:
                await answer(box.close())

    async def test_what_is_sent_comes_to_all_who_opened_the_sender_too(self) -> None:
        async with self.opened(3) as (one, two, three):
            first, second = Letters(), Letters()
            await answer(one.open("nodes", first.receive))
            await answer(two.open("nodes", second.receive))
            for message in (b"", b"\0\xff\r\n", b"x" * 100_000, b"end"):
                one.send("nodes", message)
            for letters in (first, second):
                assert await letters.until(b"end") == [b"", b"\0\xff\r\n", b"x" * 100_000, b"end"]
            three.send("nodes", b"also")
            assert (await first.until(b"also"))[-1] == b"also"

    async def test_topics_are_apart(self) -> None:
        async with self.opened() as (one, two):
            letters = {topic: Letters() for topic in ("node:a", "node:A", "node:{b}", "é 🙂")}
            for topic, box in letters.items():
                await answer(one.open(topic, box.receive))
            two.send("node:", b"to nobody")
            for topic in letters:
                two.send(topic, topic.encode())
            for topic, box in letters.items():
                assert await box.until(topic.encode()) == [topic.encode()]

    async def test_from_one_sender_they_come_in_order_and_once(self) -> None:
        async with self.opened() as (one, two):
            letters = Letters()
            await answer(one.open("a", letters.receive))
            sent = [b"%d" % number for number in range(5000)]
            for message in sent:
                two.send("a", message)
            assert await letters.until(sent[-1]) == sent

    async def test_who_left_hears_no_more(self) -> None:
        async with self.opened() as (one, two):
            left, back = Letters(), Letters()
            await answer(one.open("a", left.receive))
            two.send("a", b"1")
            await left.until(b"1")
            one.leave("a")
            one.leave("a")
            one.leave("never opened")
            two.send("a", b"2")
            await answer(one.open("a", back.receive))
            two.send("a", b"3")
            await back.until(b"3")
            assert left.all == [b"1"]

    async def test_nothing_comes_after_it_was_closed(self) -> None:
        async with self.opened(3) as (one, two, three):
            closed, open = Letters(), Letters()
            await answer(one.open("a", closed.receive))
            await answer(two.open("a", open.receive))
            await answer(one.close())
            three.send("a", b"1")
            await open.until(b"1")
            await answer(one.close())
            assert closed.all == []
