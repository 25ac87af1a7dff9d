"""The Python client against a real server."""

import asyncio
from typing import Any

import pytest

import hubbub
from hubbub.ports.answers import answer
from tests.sockets import serving, upgrade, ws


@pytest.mark.parametrize("codec", ["json", "protobuf"])
@pytest.mark.parametrize("compression", [True, False])
async def test_rooms_topics_history_members(codec: str, compression: bool) -> None:
    async with (
        serving() as app,
        hubbub.connect(ws(app), user="ann", codec=codec, compression=compression) as ann,
        hubbub.connect(ws(app), user="bob") as bob,
    ):
        details = await ann.join("room:den")
        assert (details.members, details.moderator) == (["ann"], True)
        presence: list[Any] = []
        ann.on("presence", presence.append)
        async with bob.subscribe("room:den") as heard:
            assert await ann.members("room:den") == ["ann", "bob"]
            assert presence[0].payload.user == "bob"
            position = await ann.publish("room:den", "x" * 3000, metadata={"a": "1"})
            message = await anext(heard)
            assert (message.offset, message.payload.content, message.metadata) == (
                position.offset,
                "x" * 3000,
                {"a": "1"},
            )
            await ann.publish("room:den", hubbub.Image(url="https://x.example/a.png", width=1, height=2))
            assert (await anext(heard)).payload.width == 1
        assert [m.type for m in await ann.history("room:den")] == ["text", "image"]
        assert [m.offset for m in await ann.history("room:den", after=1, limit=5)] == [2]
        await ann.mute("room:den", "bob")
        with pytest.raises(hubbub.Denied) as raised:
            await bob.publish("room:den", "mmh")
        assert raised.value.code == "muted"
        await ann.kick("room:den", "bob")
        with pytest.raises(hubbub.Conflict):
            await bob.publish("room:den", "hello?")
        await ann.leave("room:den")
        with pytest.raises(hubbub.Conflict):
            await ann.leave("room:den")
        assert 0 < await ann.ping() < 5


async def test_wildcards_inboxes_and_broadcasts() -> None:
    async with serving() as app, hubbub.connect(ws(app), user="ann") as ann:
        async with (
            ann.subscribe("topic:a.**") as topics,
            ann.subscribe("user:ann") as inbox,
            ann.subscribe("all") as all,
        ):
            await app.publish("topic:a.b.c", "deep")
            await app.publish("user:ann", "just you")
            app.groups.create("vip")
            app.groups.add("ann", "vip")
            await app.broadcast("for the group", groups=["vip"])
            await app.broadcast("for ann", where=lambda user: user.name == "ann")
            await app.broadcast("for others", where=lambda user: user.name != "ann")
            await app.broadcast("for everyone")
            assert (await anext(topics)).payload.content == "deep"
            assert (await anext(inbox)).payload.content == "just you"
            heard = [(await anext(all)).payload.content for _ in range(3)]
            assert heard == ["for the group", "for ann", "for everyone"]
            with pytest.raises(hubbub.Conflict):
                await app.broadcast("nobody", groups=["unknown"])


async def test_large_contents_come_in_pieces() -> None:
    content = bytes(range(256)) * 600
    async with serving() as app, hubbub.connect(ws(app), user="ann") as ann:
        async with ann.subscribe("topic:files.a") as heard:
            await ann.send_data("topic:files.a", content, "application/x")
            message = await anext(heard)
            assert isinstance(message.payload, hubbub.Transfer)
            assert (message.payload.mime_type, message.payload.content) == ("application/x", content)


async def test_a_slow_reader_of_a_subscription_gets_everything() -> None:
    """While nobody takes, the socket is not read, the server's buffer fills, and the log keeps the rest."""
    async with serving(retention_messages=5000, retention_bytes=64 * 1024 * 1024) as app:
        async with hubbub.connect(ws(app), user="slow", compression=False) as slow:
            async with slow.subscribe("topic:a.b") as heard:
                for number in range(3000):
                    await app.publish("topic:a.b", f"{number} {'x' * 3000}")
                connection = next(c for c in app.hub.connections.values())
                assert connection.paused
                assert len(heard) <= 2 * heard.HIGH
                for number in range(3000):
                    message = await asyncio.wait_for(anext(heard), 10)
                    assert message.payload.content.startswith(f"{number} ")


async def test_what_the_log_no_longer_keeps_is_said() -> None:
    async with serving(retention_messages=50) as app:
        async with (
            hubbub.connect(ws(app), user="slow", compression=False) as slow,
            slow.subscribe("topic:a.b") as heard,
        ):
            (session,) = app.hub.groups.sessions_of("slow")
            (log,) = [name for name in session.readers if name.startswith("topic:")]

            async def has_fallen_off() -> bool:
                page = await answer(app.stores.log.read(log, limit=0))
                reader = session.readers[log]
                return reader.lagging and reader.offset + 1 < page.oldest

            # However much the system's buffers take.
            last = 0
            async with asyncio.timeout(60):
                while not await has_fallen_off():
                    last = (await app.publish("topic:a.b", "x" * 3000)).offset
            expected = 1
            gaps = 0
            while expected <= last:
                try:
                    message = await asyncio.wait_for(anext(heard), 30)
                except hubbub.MessagesMissed as missed:
                    assert missed.first == expected
                    expected = missed.last + 1
                    gaps += 1
                    continue
                assert message.offset == expected
                expected += 1
            # Each time the socket takes some more it may have fallen off again.
            assert gaps


async def test_the_end_of_the_connection_is_typed() -> None:
    app = hubbub.Hubbub(port=0, anonymous=True)
    await app.start()
    client = await hubbub.connect(ws(app), user="ann", max_reconnect_attempts=0)
    heard = client.subscribe("topic:a.b")
    await heard.begin()
    await app.stop()
    for _ in range(2):
        with pytest.raises(hubbub.ConnectionClosed) as raised:
            await asyncio.wait_for(anext(heard), 10)
        assert (raised.value.code, raised.value.reconnect) == (1001, True)
    assert client.state.phase == "gave_up"
    with pytest.raises(hubbub.ConnectionClosed):
        await client.publish("topic:a.b", "too late")
    await client.close()


async def test_a_publish_without_an_answer_has_an_unknown_outcome() -> None:
    app = hubbub.Hubbub(port=0, anonymous=True)
    hold = asyncio.Event()

    @app.on("text")
    async def slow(context: hubbub.Context, message: Any) -> None:
        await hold.wait()

    async with serving(app):
        client = await hubbub.connect(ws(app), user="ann", ack_timeout=0.05, max_reconnect_attempts=0)
        with pytest.raises(hubbub.OutcomeUnknown):
            await client.publish("topic:a.b", "hi")
        publishing = asyncio.create_task(client.publish("topic:a.b", "hi"))
        await asyncio.sleep(0)
        next(iter(app.hub.connections.values())).transport.abort()
        with pytest.raises(hubbub.OutcomeUnknown):
            await publishing
        hold.set()
        await client.close()


async def test_what_cannot_be_sent_is_refused_here() -> None:
    async with serving() as app, hubbub.connect(ws(app), user="ann") as ann:
        for payload in ("x" * 4097, "\ud800"):
            with pytest.raises(hubbub.BadMessage):
                await ann.publish("topic:a.b", payload)
        with pytest.raises(hubbub.ConfigurationError):
            await ann.publish("topic:a.b", object())
        with pytest.raises(hubbub.BadMessage):
            await ann.publish("nowhere", "hi")


async def test_the_server_reads_its_own_channels() -> None:
    async with serving() as app:
        reading = app.subscribe("topic:a.*")
        first = asyncio.create_task(anext(reading))
        called: list[str] = []
        stop = app.listen("topic:a.**", lambda message: called.append(message.payload.content))
        await asyncio.sleep(0)
        for content in ("one", "two"):
            await app.publish("topic:a.b", content)
        assert (await first).payload.content == "one"
        assert (await anext(reading)).payload.content == "two"
        assert called == ["one", "two"]
        stop()
        await reading.aclose()
        assert app.hub.feeds._feeds == {}


async def test_connect_and_disconnect_handlers_and_statistics() -> None:
    app = hubbub.Hubbub(port=0, anonymous=True)
    seen: list[str] = []
    gone = asyncio.Event()

    @app.connect
    async def came(context: hubbub.Context) -> None:
        seen.append(f"+{context.user.name} {context.client}")

    @app.disconnect
    def left(context: hubbub.Context) -> None:
        seen.append(f"-{context.user.name}")
        gone.set()

    async with serving(app):
        async with hubbub.connect(ws(app), user="ann", profile={"colour": "red"}) as ann:
            await ann.publish("topic:a.b", "hi")
            one = app.connections()[0]
            assert app.connection(one.id) is not None
            assert (one.user, one.state, one.messages_in) == ("ann", "open", 2)
        await asyncio.wait_for(gone.wait(), 10)
        assert app.connections() == []
    assert seen == ["+ann {'colour': 'red'}", "-ann"]


async def test_a_stalled_reader_harms_nobody() -> None:
    """Its socket is not read while others talk: they get everything at once, it gets the rest when it wakes."""
    async with serving() as app, hubbub.connect(ws(app), user="ann") as ann, hubbub.connect(ws(app), user="bob") as bob:
        stalled = await upgrade(app.url)
        stalled.writer.transport.pause_reading()
        stalled.send({"type": "hello", "version": "1.2", "payload": {"user": "stalled"}})
        stalled.send({"type": "subscribe", "channel": "topic:a.b"})
        async with bob.subscribe("topic:a.b") as heard:
            for number in range(900):
                await ann.publish("topic:a.b", f"{number} {'x' * 4000}", metadata={"pad": "y" * 4000})
                assert (await asyncio.wait_for(anext(heard), 10)).offset == number + 1
            connection = next(c for c in app.hub.connections.values() if c.session and c.session.user.name == "stalled")
            assert connection.paused
            assert connection.transport.buffered() < app.settings.write_limit
        stalled.writer.transport.resume_reading()
        offset, gaps = 0, 0
        while offset < 900:
            message = await stalled.receive()
            if message["type"] == "gap":
                assert message["payload"]["from"] == offset + 1
                offset, gaps = message["payload"]["to"], gaps + 1
            elif message["type"] == "text":
                assert message["offset"] == offset + 1
                offset += 1
        assert gaps <= 1
        stalled.close()
