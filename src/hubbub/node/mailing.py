"""The other nodes by mailbox: a topic for each log that is read here, one for all nodes, and one for this node."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec
from msgspec import Struct

from hubbub.hub.hub import Hub
from hubbub.hub.peers import AnyNotice
from hubbub.ports import Mailbox

logger = logging.getLogger("hubbub.peers")

_ALL = "hubs"


class _Letter(Struct):
    run: str
    notice: AnyNotice


class _Sender(Struct):
    run: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Letter).decode
_decode_sender = msgspec.json.Decoder(_Sender).decode


class MailedPeers:
    """Implements `hubbub.hub.peers.Peers`. A topic that could not be opened is tried again."""

    def __init__(self, hub: Hub, mailbox: Mailbox) -> None:
        self._hub = hub
        self._mailbox = mailbox
        self._topics: set[str] = set()
        self._closed: set[str] = set()
        """Those of them that could not be opened yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """What is told to all, or to this node, comes from now on."""
        for topic in (_ALL, _of_run(self._hub.run)):
            self._topics.add(topic)
            await self._open(topic)

    def open(self, log: str) -> asyncio.Task[None]:
        """Somebody reads the log here. What is returned ends when what is told to its readers comes, or cannot now."""
        topic = _of_log(log)
        self._topics.add(topic)
        return self._start(self._open(topic))

    def leave(self, log: str) -> None:
        """Nobody reads it here any more."""
        topic = _of_log(log)
        self._topics.discard(topic)
        self._closed.discard(topic)
        self._mailbox.leave(topic)

    def sweep(self) -> None:
        """To be called about once a second."""
        closed, self._closed = self._closed, set()
        for topic in closed:
            self._start(self._open(topic))

    def abandon(self) -> None:
        """Nothing is opened any more."""
        for task in self._tasks:
            task.cancel()

    def tell_readers(self, log: str, notice: AnyNotice) -> None:
        self._send(_of_log(log), notice)

    def tell_all(self, notice: AnyNotice) -> None:
        self._send(_ALL, notice)

    def tell_one(self, run: str, notice: AnyNotice) -> None:
        self._send(_of_run(run), notice)

    def _send(self, topic: str, notice: AnyNotice) -> None:
        letter = _encode(_Letter(self._hub.run, notice))
        self._hub.watch.traffic.sent(len(letter))
        self._mailbox.send(topic, letter)

    def _received(self, letter: bytes) -> None:
        try:
            if _decode_sender(letter).run == self._hub.run:
                return
            notice = _decode(letter).notice
        except msgspec.MsgspecError as error:
            # From a newer node, say.
            logger.warning("a letter from another node cannot be read: %s", error)
            return
        self._hub.watch.traffic.received(len(letter))
        self._hub.reception.received(notice)

    async def _open(self, topic: str) -> None:
        try:
            opened: Any = self._mailbox.open(topic, self._received)
            if opened is not None:
                await opened
        except Exception as error:
            logger.warning("the topic %s cannot be opened now: %s", topic, error)
            self._closed.add(topic)
        if topic not in self._topics:
            self._mailbox.leave(topic)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _of_log(log: str) -> str:
    return f"log/{log}"


def _of_run(run: str) -> str:
    return f"hub/{run}"
