"""Every page: for eyes, ears, hands, phones and screen readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page, expect

import hubbub

from .conftest import Visitor, need, visit, websocket

pytestmark = pytest.mark.slow

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def problems(page: Page) -> list[str]:
    """What axe-core finds that is serious or worse."""
    need(AXE.exists(), "axe-core (make setup)")
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    results: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in results["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


async def test_nobody_is_kept_out(server: str, browser: Browser) -> None:
    ann, bob = await visit(browser), await visit(browser)
    await bob.enter(server, "bob", "den")
    await bob.say("Look at https://example.org/a")
    for scheme in SCHEMES:
        for width in (1280, 390):
            await ann.page.emulate_media(color_scheme=scheme)
            await ann.page.set_viewport_size({"width": width, "height": 800})
            await ann.page.goto(server)
            await ann.page.evaluate("sessionStorage.clear()")
            await ann.page.reload()
            assert await problems(ann.page) == []
            await ann.find("name").fill("ann")
            await ann.find("first-room").fill("den")
            await ann.find("enter").click()
            await ann.say(f"as {scheme} as {width}")
            await expect(ann.text(f"as {scheme} as {width}")).to_have_count(1)
            assert await problems(ann.page) == []
            await ann.find("attach").click()
            assert await problems(ann.page) == []
            await ann.page.keyboard.press("Escape")
            if width == 390:
                for drawer in ("rooms", "members"):
                    await ann.find(f"open-{drawer}").click()
                    assert await problems(ann.page) == []
                    await ann.page.keyboard.press("Escape")
            await ann.page.goto(f"{server}/playground/")
            assert await problems(ann.page) == []
            await ann.find("connect").click()
            await expect(frames(ann, "welcome")).to_have_count(1)
            await frames(ann, "welcome").locator("summary").click()
            assert await problems(ann.page) == []
            await ann.find("connect").click()
            await ann.page.wait_for_function(
                "document.querySelector('[data-testid=phase]').textContent == 'Disconnected'"
            )


async def test_it_works_without_a_mouse(server: str, browser: Browser) -> None:
    ann = await visit(browser)
    await ann.page.goto(server)
    keys = ann.page.keyboard
    await expect(ann.find("name")).to_be_visible()
    await ann.find("name").focus()
    await keys.press("Control+A")
    await keys.type("ann")
    await keys.press("Tab")
    await keys.press("Control+A")
    await keys.type("den")
    await keys.press("Enter")
    await expect(ann.find("composer")).to_be_focused()
    await keys.type("by hand")
    await keys.press("Shift+Enter")
    await keys.type("on two lines")
    await keys.press("Enter")
    await expect(ann.text("by hand")).to_have_count(1)
    await expect(ann.find("composer")).to_be_focused()
    await keys.press("Tab")
    await ann.find("cut").focus()
    await keys.press("Enter")
    await expect(ann.find("banner")).to_be_visible()


async def test_messages_tell_how_far_they_came(server: str, browser: Browser) -> None:
    ann, bob = await visit(browser), await visit(browser)
    await ann.enter(server, "ann", "den")
    state = ann.find("message").filter(has_text="read this").get_by_test_id("post-state")
    await ann.find("cut").click()
    await expect(ann.find("banner")).to_be_visible()
    await ann.say("read this")
    await expect(state).to_have_text("Sending")
    await ann.find("cut").click()
    await expect(state).to_have_text("Sent")
    await bob.enter(server, "bob", "den")
    await expect(state).to_have_text("Seen by bob")
    # Another page of bob's that nobody looks at says nothing.
    await ann.say("and this")
    await expect(ann.find("message").filter(has_text="and this").get_by_test_id("post-state")).to_have_text(
        "Seen by bob"
    )


async def test_unread_messages_are_counted(server: str, browser: Browser) -> None:
    ann, bob = await visit(browser), await visit(browser)
    await ann.enter(server, "ann", "den")
    await ann.find("room-name").fill("attic")
    await ann.find("room-enter").click()
    await bob.enter(server, "bob", "den")
    for number in range(3):
        await bob.say(f"look {number}")
    unread = ann.page.locator('[data-room="den"]').get_by_test_id("unread")
    await expect(unread).to_have_text("3")
    await ann.page.locator('[data-room="den"]').click()
    await expect(ann.text("look 2")).to_be_visible()
    await expect(unread).to_be_hidden()


async def test_earlier_messages_come_as_one_scrolls(server: str, browser: Browser) -> None:
    said = [f"line {number:03}" for number in range(180)]
    async with hubbub.connect(websocket(server), user="py") as program:
        await program.join("room:den")
        for line in said:
            await program.publish("room:den", line)
    ann = await visit(browser)
    await ann.enter(server, "ann", "den")
    await expect(ann.text(said[-1])).to_be_visible()
    await expect(ann.text(said[-51])).to_have_count(0)
    log = ann.page.locator(".log-scroller")
    for shown in (said[-100], said[-150], said[0]):
        await log.evaluate("log => log.scrollTop = 0")
        await expect(ann.text(shown)).to_have_count(1)
    assert await ann.texts("line ") == said
    # What one read stays before the eyes.
    assert await log.evaluate("log => log.scrollTop") > 0


def frames(visitor: Visitor, kind: str):  # type: ignore[no-untyped-def]
    return visitor.page.locator(f'[data-testid="frame"][data-type="{kind}"]')


@pytest.mark.parametrize("codec", ["json", "protobuf"])
async def test_the_playground_shows_the_wire(server: str, browser: Browser, codec: str) -> None:
    ann = await visit(browser)
    await ann.page.goto(f"{server}/playground/")
    await ann.find("user").fill("ann")
    await ann.find("codec").select_option(codec)
    await ann.find("connect").click()
    await expect(frames(ann, "welcome")).to_have_count(1)
    for sample in ("join", "text"):
        await ann.find("sample").get_by_text(sample, exact=True).click()
        await ann.find("send").click()
        await expect(frames(ann, "ack")).to_have_count(1 if sample == "join" else 2)
    await expect(frames(ann, "text")).to_have_count(2)
    # Sent once more it has another id, and is another message.
    await ann.find("send").click()
    await expect(frames(ann, "ack")).to_have_count(3)
    await ann.find("sample").get_by_text("a room one is not in").click()
    await ann.find("send").click()
    await expect(frames(ann, "error")).to_contain_text("not_joined")
    if codec == "json":
        await ann.find("sample").get_by_text("no JSON").click()
        await ann.find("send").click()
        await expect(frames(ann, "error").filter(has_text="invalid_json")).to_have_count(1)
    else:
        await expect(frames(ann, "welcome").locator(".frame-hex")).not_to_be_empty()
    await ann.find("filter").fill("error")
    await expect(frames(ann, "text")).to_have_count(0)
    assert ann.problems == []


async def test_the_playground_fits_a_phone(server: str, browser: Browser) -> None:
    ann = await visit(browser)
    await ann.page.set_viewport_size({"width": 375, "height": 667})
    await ann.page.goto(f"{server}/playground/")
    await ann.find("connect").click()
    await ann.find("send").click()
    await expect(frames(ann, "ack")).to_have_count(1)
    assert await ann.page.evaluate("document.documentElement.scrollWidth") <= 375
    assert json.loads(await ann.find("message").input_value())["payload"] == {"action": "join"}
