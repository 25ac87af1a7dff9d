"""Nothing is lost, doubled or out of order in a page, whatever happens to its connection meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

import hubbub
from tests.servers.redis import RedisServer

from .conftest import Visitor, hub, visit, websocket, wire

pytestmark = pytest.mark.slow

COUNT = 500
LINES = [f"line {number:03}" for number in range(COUNT)]


@asynccontextmanager
async def program(url: str) -> AsyncIterator[hubbub.Client]:
    """Somebody else in the room."""
    async with hubbub.connect(websocket(url), user="py") as client:
        await client.join("room:den")
        yield client


async def publish(client: hubbub.Client, lines: list[str]) -> None:
    for line in lines:
        await client.publish("room:den", line)


async def expect_each_once(visitor: Visitor) -> None:
    await expect(visitor.text(LINES[-1])).to_have_count(1, timeout=30_000)
    assert await visitor.texts("line ") == LINES
    assert visitor.problems == []


async def test_a_server_that_is_killed_and_started_again(browser: Browser, tmp_path: Path) -> None:
    with hub(log=f"sqlite:///{tmp_path}/hub.db") as server:
        ann = await visit(browser)
        await ann.enter(server.url, "ann", "den")
        async with program(server.url) as client:
            await publish(client, LINES[:200])
            server.kill()
            # Neither of them waits for the server: what they say goes out when it is back.
            rest = asyncio.create_task(publish(client, LINES[200:]))
            await expect(ann.find("banner")).to_be_visible()
            await ann.say("from ann meanwhile")
            server.start()
            await rest
            await expect_each_once(ann)
            found = [message.payload.content for message in await client.history("room:den", limit=300)]
        await expect(ann.text("from ann meanwhile")).to_have_count(1)
        assert found.count("from ann meanwhile") == 1
        assert set(ann.greetings[1:]) == {"restore_session"}


async def test_a_machine_that_goes_offline_and_comes_back(server: str, browser: Browser) -> None:
    async with wire(server) as way:
        ann = await visit(browser)
        await ann.enter(way.url, "ann", "den")
        async with program(server) as client:
            await ann.page.context.set_offline(True)
            way.cut()
            await expect(ann.find("banner")).to_be_visible()
            await ann.say("from ann meanwhile")
            await publish(client, LINES)
            way.mend()
            await ann.page.context.set_offline(False)
            await expect_each_once(ann)
            await expect(ann.find("banner")).to_be_hidden()
        await expect(ann.text("from ann meanwhile")).to_have_count(1)


# Playwright does not see the sockets of a page that was kept: it counts them by itself, and what it goes through.
WITNESS = """
window.sockets = 0;
window.WebSocket = class extends WebSocket {
  constructor(...words) { super(...words); window.sockets += 1; }
};
window.events = [];
for (const name of ["freeze", "resume"]) document.addEventListener(name, () => events.push(name));
addEventListener("pageshow", ({persisted}) => persisted && events.push("pageshow"));
"""


async def test_a_page_that_is_frozen_in_the_back_forward_cache(server: str, browser: Browser) -> None:
    ann = await visit(browser)
    await ann.page.add_init_script(WITNESS)
    await ann.enter(server, "ann", "den")
    session = await ann.session()
    async with program(server) as client:
        await ann.page.goto(f"{server}/schema.json")
        await publish(client, LINES)
        await ann.page.evaluate("history.back()")
        await ann.page.wait_for_url(f"{server}/#den", wait_until="commit")
        await expect_each_once(ann)
    assert await ann.page.evaluate("events") == ["freeze", "resume", "pageshow"], "the page was not kept"
    assert await ann.page.evaluate("sockets") == 2
    assert await ann.session() == session


async def test_the_plug_is_pulled_and_put_back(server: str, browser: Browser) -> None:
    ann = await visit(browser)
    await ann.enter(server, "ann", "den")
    async with program(server) as client:
        await ann.find("cut").click()
        await expect(ann.find("banner")).to_contain_text("You cut the connection")
        await ann.say("waits")
        await expect(ann.find("trial-state")).to_contain_text("1 message waits")
        await publish(client, LINES)
        assert await ann.texts("line ") == []
        await ann.find("cut").click()
        await expect_each_once(ann)
        await expect(ann.find("banner")).to_be_hidden()
    await expect(ann.text("waits")).to_have_count(1)
    assert ann.greetings == ["hello", "restore_session"]


async def test_a_hub_alone_says_that_there_is_nowhere_to_move(server: str, browser: Browser) -> None:
    ann = await visit(browser)
    await ann.enter(server, "ann", "den")
    await ann.find("move").click()
    await expect(ann.find("notice").filter(has_text="no other node")).to_have_count(1)
    await expect(ann.find("move")).to_be_enabled()


async def test_a_connection_moves_between_two_nodes(browser: Browser, tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    try:
        with (
            hub(backend=redis.url, node="n1", origins="*") as one,
            hub(backend=redis.url, node="n2", origins="*") as other,
        ):
            ann = await visit(browser)
            await ann.enter(one.url, "ann", "den")
            await expect(ann.find("trial-state")).to_contain_text("Node n1")
            async with program(one.url) as client:
                rest = asyncio.create_task(publish(client, LINES))
                await expect(ann.text(LINES[50])).to_have_count(1)
                await ann.find("move").click()
                await ann.say("on the way")
                await expect(ann.find("notice").filter(has_text="moved to")).to_have_count(1, timeout=15_000)
                await rest
                await expect_each_once(ann)
            await expect(ann.text("on the way")).to_have_count(1)
            await expect(ann.find("trial-state")).to_contain_text(other.url.removeprefix("http://"))
            await expect(ann.find("post-state").filter(has_text="Not sent")).to_have_count(0)
            assert ann.greetings == ["hello", "restore_session"]
    finally:
        redis.kill()
