"""Two pages and a Python program in one room."""

import asyncio

import pytest
from playwright.async_api import Browser, expect

import hubbub

from .conftest import visit, websocket

pytestmark = pytest.mark.slow


async def next_text(messages: hubbub.Subscription) -> hubbub.Message:
    """The next text; the page tells that somebody types, too."""
    async with asyncio.timeout(10):
        async for message in messages:
            if message.type == "text":
                return message
    raise AssertionError("the subscription ended")


async def test_two_pages_and_a_program_talk(server: str, browser: Browser) -> None:
    ann, bob = await visit(browser), await visit(browser)
    await ann.enter(server, "ann", "den")
    await bob.enter(server, "bob", "den")
    await expect(ann.member("bob")).to_be_visible()
    async with hubbub.connect(websocket(server), user="py", codec="protobuf") as program:
        async with program.subscribe("room:den") as messages:
            await expect(ann.member("py")).to_be_visible()
            await ann.say("from ann <b>not bold</b>")
            await expect(bob.text("from ann <b>not bold</b>")).to_be_visible()
            message = await next_text(messages)
            assert (message.sender, message.payload.content) == ("ann", "from ann <b>not bold</b>")

            await program.publish("room:den", "from a program")
            await expect(ann.text("from a program")).to_be_visible()
            await expect(bob.text("from a program")).to_be_visible()

            picture = await ann.page.locator('link[rel="icon"]').evaluate("link => link.href")
            await program.publish("room:den", hubbub.Image(url=picture, width=64, height=64))
            await program.publish(
                "room:den", hubbub.File(url="https://example.org/a.pdf", size=12_345, mime_type="x/y")
            )
            await expect(bob.find("picture")).to_have_attribute("src", picture)
            await expect(bob.find("file")).to_have_attribute("href", "https://example.org/a.pdf")

            await bob.find("composer").press_sequentially("thinking")
            await expect(ann.find("typing")).to_contain_text("bob")
            await expect(bob.find("typing")).not_to_contain_text("bob")
    # Who lost the connection is shown for 15 seconds more.
    await expect(ann.member("py")).to_have_count(0, timeout=30_000)
    assert ann.problems == bob.problems == []


async def test_pictures_and_files_are_shared_by_their_address(server: str, browser: Browser) -> None:
    ann, bob = await visit(browser), await visit(browser)
    await ann.enter(server, "ann", "den")
    await bob.enter(server, "bob", "den")
    picture = await ann.page.locator('link[rel="icon"]').evaluate("link => link.href")
    await ann.find("attach").click()
    await ann.find("attachment-url").fill("javascript:alert(1)")
    await ann.find("attachment-send").click()
    await expect(ann.find("attachment-problem")).not_to_be_empty()
    await ann.find("attachment-url").fill(picture)
    await ann.find("attachment-send").click()
    await expect(bob.find("picture")).to_have_attribute("src", picture)
    await ann.find("attach").click()
    await ann.find("attachment-file").check()
    await ann.find("attachment-url").fill("https://example.org/b.zip")
    await ann.find("attachment-size").fill("99")
    await ann.find("attachment-send").click()
    await expect(bob.find("file")).to_have_attribute("href", "https://example.org/b.zip")


async def test_the_creator_mutes_and_removes(server: str, browser: Browser) -> None:
    ann, bob = await visit(browser), await visit(browser)
    await ann.enter(server, "ann", "den")
    await bob.enter(server, "bob", "den")
    await expect(bob.member("ann").get_by_test_id("moderate")).to_be_hidden()

    await ann.moderate("bob", "mute")
    await expect(bob.find("notice").filter(has_text="muted")).not_to_have_count(0)
    await bob.say("can you hear me")
    await expect(bob.find("post-state").filter(has_text="Not sent")).not_to_have_count(0)
    await expect(ann.text("can you hear me")).to_have_count(0)

    await ann.moderate("bob", "unmute")
    await bob.say("and now")
    await expect(ann.text("and now")).to_be_visible()

    await ann.moderate("bob", "kick")
    await expect(bob.find("outside")).to_be_visible()
    await expect(ann.member("bob")).to_have_count(0)
    await bob.find("rejoin").click()
    await expect(ann.member("bob")).to_be_visible()


async def test_it_fits_a_phone(server: str, browser: Browser) -> None:
    ann = await visit(browser)
    await ann.page.set_viewport_size({"width": 375, "height": 667})
    await ann.page.goto(server)
    await ann.find("name").fill("ann")
    await ann.find("enter").click()
    await ann.say("a long word " + "x" * 300)
    await expect(ann.text("a long word")).to_be_visible()
    assert await ann.page.evaluate("document.documentElement.scrollWidth") <= 375
    await expect(ann.find("send")).to_be_in_viewport()
