"""Good links, slow ones and bad ones, and where messages wait meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import hubbub
from hubbub.testing.loop import virtual
from tests.client.fake import FakeHub, client_of
from tests.waiting import until


def now() -> float:
    return asyncio.get_running_loop().time()


async def make(hub: FakeHub, client: hubbub.Client, quality: str) -> None:
    """The link becomes so, by its latency; the client finds out by itself."""
    hub.latency = {"good": 0.01, "slow": 0.12, "bad": 0.4}[quality]
    while client.quality != quality:
        client._parts.link._connection._heartbeat.active()  # type: ignore[union-attr]
        await asyncio.sleep(1)


def publish(client: hubbub.Client, *contents: str) -> list[asyncio.Task[hubbub.Position]]:
    return [asyncio.create_task(client.publish("topic:a.b", content)) for content in contents]


@virtual
async def test_the_round_trip_is_measured_every_5_seconds_while_there_is_traffic() -> None:
    hub = FakeHub()
    hub.latency = 0.02
    async with client_of(hub) as client:
        assert (client.quality, client.round_trip) == ("good", None)
        for _ in range(30):
            await client.publish("topic:a.b", "hi")
            await asyncio.sleep(1)
        assert len(hub.heard("ping")) == 6
        assert client.round_trip == pytest.approx(0.04)
        await make(hub, client, "slow")
        await make(hub, client, "bad")
        await make(hub, client, "good")
        hub.socket.drop()
        await until(lambda: client.state.phase == "connected" and len(hub.sockets) == 2)
        assert client.round_trip is None


@virtual
async def test_on_a_good_link_messages_go_at_once() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await client.publish("topic:a.b", "hi")
        tasks = publish(client, "a", "b")
        await asyncio.sleep(0)
        assert client._parts.publishing.waiting == 0
        await asyncio.gather(*tasks)


@virtual
async def test_on_a_slow_link_they_are_kept_for_a_round_trip_and_go_together() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await make(hub, client, "slow")
        tasks = publish(client, "a", "b")
        await asyncio.sleep(0.05)
        tasks += publish(client, "c")
        await asyncio.sleep(0.05)
        assert client._parts.publishing.waiting == 3
        assert client.round_trip is not None
        await asyncio.sleep(client.round_trip)
        assert client._parts.publishing.waiting == 0
        await asyncio.gather(*tasks)
        assert hub.texts() == ["a", "b", "c"]
        # An important one does not wait, nor does what is before it.
        tasks = publish(client, "d")
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(client.publish("topic:a.b", "e", important=True)))
        await asyncio.sleep(0)
        assert client._parts.publishing.waiting == 0
        await asyncio.gather(*tasks)
        assert hub.texts()[3:] == ["d", "e"]


@virtual
async def test_on_a_bad_link_they_wait_for_the_next_check_and_never_longer() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await make(hub, client, "bad")
        for content in "abc":
            began = now()
            await client.publish("topic:a.b", content)
            assert now() - began < 5 + 1
        assert client.quality == "bad"
        tasks = publish(client, "d", "e")
        await asyncio.sleep(0.1)
        assert client._parts.publishing.waiting == 2
        await asyncio.gather(*tasks)
        assert hub.texts() == list("abcde")


@pytest.mark.parametrize("has_disk", [True, False])
def test_past_the_memory_comes_the_disk_or_a_refusal(has_disk: bool, tmp_path: Path) -> None:
    @virtual
    async def run() -> None:
        hub = FakeHub()
        path = tmp_path / "outbox" if has_disk else None
        async with client_of(hub, outbox_limit=3, outbox_path=path, max_pending=100) as client:
            await make(hub, client, "slow")
            tasks = publish(client, *"abc")
            await asyncio.sleep(0)
            if has_disk:
                tasks += publish(client, *"de")
                await asyncio.sleep(0)
                spool = client._parts.publishing._spool
                assert spool is not None
                assert (client._parts.publishing.waiting, len(spool)) == (5, 2)
            else:
                with pytest.raises(hubbub.TryLater) as raised:
                    await client.publish("topic:a.b", "d")
                assert raised.value.code == "too_many_pending"
            await asyncio.gather(*tasks)
            assert hub.texts() == list("abcde" if has_disk else "abc")

    run()


@virtual
async def test_a_link_that_is_good_again_lets_everything_go() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await make(hub, client, "bad")
        tasks = publish(client, *map(str, range(500)))
        hub.latency = 0.001
        await asyncio.gather(*tasks)
        assert hub.texts() == [str(number) for number in range(500)]


@virtual
async def test_a_reconnect_lets_everything_go() -> None:
    hub = FakeHub()
    async with client_of(hub) as client:
        await make(hub, client, "bad")
        tasks: list[asyncio.Task[Any]] = list(publish(client, *"abc"))
        await asyncio.sleep(0)
        hub.latency = 0.001
        hub.socket.drop()
        await until(lambda: client.state.phase == "connected" and len(hub.sockets) == 2)
        await asyncio.sleep(0.1)
        assert hub.texts() == list("abc")
        await asyncio.gather(*tasks)
