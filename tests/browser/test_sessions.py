"""A page comes back to its session: after a reload, over a lost connection, in a duplicated tab."""

import asyncio

import pytest
from playwright.async_api import Browser, expect

import hubbub

from .conftest import Visitor, visit, wire

pytestmark = pytest.mark.slow


async def expect_no_coming_and_going(visitor: Visitor, name: str) -> None:
    for event in ("left", "joined"):
        await expect(visitor.find("notice").filter(has_text=f"{name} {event}.")).to_have_count(0)


async def two_in_a_room(browser: Browser, ann_url: str, bob_url: str) -> tuple[Visitor, Visitor]:
    """Ann, who saw nobody come, and Bob, who made the room and moderates it."""
    ann, bob = await visit(browser), await visit(browser)
    await bob.enter(bob_url, "bob", "den")
    await ann.enter(ann_url, "ann", "den")
    await expect(ann.member("bob")).to_be_visible()
    return ann, bob


async def test_a_reload_is_the_same_session(server: str, browser: Browser) -> None:
    ann, bob = await two_in_a_room(browser, server, server)
    await ann.say("before")
    await expect(bob.text("before")).to_be_visible()
    session = await bob.session()
    await bob.page.reload()
    await expect(bob.member("bob")).to_be_visible()
    await expect(bob.text("before")).to_have_count(1)
    await ann.say("after")
    await expect(bob.text("after")).to_have_count(1)
    await bob.say("back")
    await expect(ann.text("back")).to_have_count(1)
    assert await bob.session() == session != ""
    assert bob.greetings == ["hello", "restore_session"]
    # What bob may do in the room he may still.
    await bob.moderate("ann", "mute")
    await expect(ann.find("notice").filter(has_text="muted")).not_to_have_count(0)
    await expect_no_coming_and_going(ann, "bob")
    assert ann.problems == bob.problems == []


async def test_what_was_said_while_a_page_was_away_is_there_once(server: str, browser: Browser) -> None:
    ann, bob = await two_in_a_room(browser, server, server)
    await ann.say("before")
    await expect(bob.text("before")).to_be_visible()
    await bob.page.goto("about:blank")
    # More than the page reads of the history.
    said = [f"line {number:03}" for number in range(120)]
    async with hubbub.connect(f"ws{server.removeprefix('http')}/ws", user="py") as program:
        await program.join("room:den")
        for line in said:
            await program.publish("room:den", line)
    await bob.page.goto(server)
    await expect(bob.text(said[-1])).to_be_visible()
    await expect(bob.text("before")).to_have_count(1)
    assert await bob.text("line ").all_inner_texts() == said
    assert bob.greetings == ["hello", "restore_session"]
    await expect_no_coming_and_going(ann, "bob")


async def test_a_lost_connection_loses_and_doubles_nothing(server: str, browser: Browser) -> None:
    async with wire(server) as way:
        ann, bob = await two_in_a_room(browser, server, way.url)
        session = await bob.session()
        for number in range(3):
            way.cut()
            await expect(bob.find("banner")).to_be_visible()
            await ann.say(f"missed {number}")
            await bob.say(f"waiting {number}")
            way.mend()
            await expect(bob.find("banner")).to_be_hidden(timeout=15_000)
            await expect(bob.text(f"missed {number}")).to_have_count(1)
            await expect(ann.text(f"waiting {number}")).to_have_count(1)
        await asyncio.sleep(0.5)
        for number in range(3):
            await expect(bob.text(f"missed {number}")).to_have_count(1)
            await expect(ann.text(f"waiting {number}")).to_have_count(1)
            await expect(bob.text(f"waiting {number}")).to_have_count(1)
        assert await bob.session() == session
        assert bob.greetings == ["hello", *["restore_session"] * 3]
        await expect_no_coming_and_going(ann, "bob")
        await expect(bob.find("post-state").filter(has_text="Not sent")).to_have_count(0)
        assert ann.problems == bob.problems == []


async def test_a_room_left_without_a_connection_is_left(server: str, browser: Browser) -> None:
    async with wire(server) as way:
        ann, bob = await two_in_a_room(browser, server, way.url)
        way.cut()
        await expect(bob.find("banner")).to_be_visible()
        await bob.find("leave").click()
        await expect(ann.member("bob")).to_be_visible()
        way.mend()
        await expect(ann.member("bob")).to_have_count(0, timeout=12_000)


async def test_a_duplicated_tab_is_a_session_of_its_own(server: str, browser: Browser) -> None:
    ann, bob = await two_in_a_room(browser, server, server)
    session = await bob.session()
    # A window that a page opens begins with a copy of its sessionStorage, as a duplicated tab does.
    async with bob.page.context.expect_page() as opening:
        await bob.page.evaluate("void window.open(location.href)")
    copy = Visitor(await opening.value)
    await expect(copy.member("bob")).to_be_visible()
    assert await copy.session() not in ("", session)
    assert await bob.session() == session
    for writer, content in ((bob, "from the first"), (copy, "from the copy")):
        await writer.say(content)
        for reader in (ann, bob, copy):
            await expect(reader.text(content)).to_have_count(1)
    for tab in (bob, copy):
        await expect(tab.find("banner")).to_be_hidden()
        await tab.page.reload()
        await expect(tab.member("bob")).to_be_visible()
    assert await bob.session() == session != await copy.session()
    await expect_no_coming_and_going(ann, "bob")


async def test_signing_out_leaves_at_once(server: str, browser: Browser) -> None:
    ann, bob = await two_in_a_room(browser, server, server)
    await bob.find("sign-out").click()
    await expect(bob.find("enter")).to_be_visible()
    await expect(ann.member("bob")).to_have_count(0)
    assert await bob.session() == ""
