"""People write one text together: at once, offline, over a killed server, and nobody undoes another's words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, expect

from .conftest import Hub, Visitor, hub, visit, websocket
from .test_pages import SCHEMES, problems

pytestmark = pytest.mark.slow

SPELLCHECKER = Path(__file__).parents[2] / "examples/spellchecker.py"

BEFORE = """caret => {
    const range = document.createRange();
    range.setStart(caret.closest(".cm-line"), 0);
    range.setEndBefore(caret.parentElement);
    return range.toString();
}"""
"""What its line reads before a caret."""


class Writer(Visitor):
    async def begin(self, url: str, name: str) -> str:
        """Opens the document of a link, or a new one. Returns its link."""
        await self.page.goto(url)
        await self.find("name").fill(name)
        await self.find("begin").click()
        await self.settled()
        return self.page.url

    async def settled(self) -> None:
        await expect(self.find("state")).to_have_text("Saved")

    async def write(self, text: str, *keys: str) -> None:
        """Types at a place that the keys lead to."""
        await self.find("text").focus()
        for key in keys:
            await self.page.keyboard.press(key)
        await self.page.keyboard.type(text)

    async def reads(self, *lines: str) -> None:
        """Waits until that is the text."""
        shown = self.page.locator(".cm-line")
        await expect(shown).to_have_count(len(lines))
        for number, line in enumerate(lines):
            await expect(shown.nth(number)).to_have_text(line)

    def caret(self, name: str) -> Locator:
        return self.page.locator(f'.caret-name[data-name="{name}"]')

    async def sees_caret(self, name: str, before: str) -> None:
        """Waits until the caret of another stands behind that text."""
        await expect(self.caret(name)).to_be_attached()
        await self.page.wait_for_function(
            f'([name, text]) => ({BEFORE})(document.querySelector(`.caret-name[data-name="${{name}}"]`)) === text',
            arg=[name, before],
        )


async def writer(browser: Browser) -> Writer:
    return Writer((await visit(browser)).page)


@contextmanager
def spellchecker(url: str, document: str) -> Iterator[None]:
    """The example, started as a user would."""
    process = subprocess.Popen([sys.executable, str(SPELLCHECKER), document, websocket(url)], stdout=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None, "the program ended by itself"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Hub]:
    with hub(log=f"sqlite://{tmp_path}/hub.db") as process:
        yield process


async def test_two_write_at_once_and_each_undoes_only_their_own(server: str, browser: Browser) -> None:
    ann, bob = await writer(browser), await writer(browser)
    link = await ann.begin(f"{server}/documents/", "Ann")
    await ann.write("# Plans\nfirst line")
    await bob.begin(link, "Bob")
    await bob.reads("# Plans", "first line")
    # Who only reads is seen too.
    await expect(ann.page.get_by_role("list", name="In this document")).to_contain_text("Bob")
    await bob.write(" of Bob", "Control+End")
    await ann.reads("# Plans", "first line of Bob")
    await expect(ann.caret("Bob")).to_be_attached()
    await ann.write("My ", "Control+Home", "ArrowDown")
    await bob.reads("# Plans", "My first line of Bob")
    await bob.page.keyboard.press("Control+z")
    await ann.reads("# Plans", "My first line")
    await expect(ann.page.locator(".cm-line").nth(1)).not_to_contain_text("of Bob")
    await bob.reads("# Plans", "My first line")
    await expect(ann.find("preview")).to_contain_text("My first line")
    assert ann.problems == bob.problems == []


async def test_offline_both_edit_the_same_line_and_nothing_is_lost(server: str, browser: Browser) -> None:
    ann, bob = await writer(browser), await writer(browser)
    link = await ann.begin(f"{server}/documents/", "Ann")
    await ann.write("one line")
    await bob.begin(link, "Bob")
    await bob.reads("one line")
    await ann.find("cut").click()
    await expect(ann.find("state")).to_contain_text("Offline")
    await ann.write(" from Ann", "Control+End")
    await bob.write("Bob's ", "Control+Home")
    await bob.settled()
    await ann.reads("one line from Ann")
    # A page that reloads offline comes back with what was typed.
    await ann.find("cut").click()
    for each in (ann, bob):
        await each.reads("Bob's one line from Ann")
        await each.settled()
    await ann.page.reload()
    await ann.reads("Bob's one line from Ann")
    assert ann.problems == bob.problems == []


async def test_a_program_edits_beside_two_people_of_whom_one_is_offline(server: str, browser: Browser) -> None:
    ann, bob = await writer(browser), await writer(browser)
    link = await ann.begin(f"{server}/documents/", "Ann")
    await bob.begin(link, "Bob")
    with spellchecker(server, link.rpartition("#")[2]):
        await ann.write("we recieve teh mail")
        for each in (ann, bob):
            await each.reads("we receive the mail")
        await ann.find("cut").click()
        await expect(ann.find("state")).to_contain_text("Offline")
        await ann.write(" adn more", "Control+End")
        await bob.write("Bob: teh ", "Control+Home")
        await bob.reads("Bob: the we receive the mail")
        await ann.reads("we receive the mail adn more")
        await ann.find("cut").click()
        for each in (ann, bob):
            await each.reads("Bob: the we receive the mail and more")
            await each.settled()
        await ann.sees_caret("Bob", "Bob: the ")
        await bob.sees_caret("Ann", "Bob: the we receive the mail and more")
        # The word that the program wrote is not hers to undo.
        await ann.write("", "Control+z")
        for each in (ann, bob):
            await each.reads("Bob: the we receive the mailand")
        await bob.write("", "Control+z")
        for each in (ann, bob):
            await each.reads("thewe receive the mailand")
    assert ann.problems == bob.problems == []


async def test_a_killed_server_loses_no_keystroke(kept: Hub, browser: Browser) -> None:
    ann, bob = await writer(browser), await writer(browser)
    link = await ann.begin(f"{kept.url}/documents/", "Ann")
    await bob.begin(link, "Bob")
    await ann.write("before")
    await bob.reads("before")
    kept.kill()
    await expect(ann.find("state")).to_contain_text("Offline")
    await ann.write(" and during", "Control+End")
    kept.start()
    for each in (ann, bob):
        await each.reads("before and during")
        await each.settled()
    assert ann.problems == bob.problems == []


async def test_the_history_shows_and_restores_what_was(server: str, browser: Browser) -> None:
    ann = await writer(browser)
    await ann.begin(f"{server}/documents/", "Ann")
    for words in ("good", " and bad"):
        # All at once, so that each is one version.
        await ann.find("text").focus()
        await ann.page.keyboard.insert_text(words)
        await ann.reads("good" if words == "good" else "good and bad")
        await ann.settled()
    await ann.find("show-versions").click()
    await expect(ann.find("old-text")).to_have_text("good and bad")
    await expect(ann.find("version")).to_contain_text("Ann")
    await ann.find("slider").press("ArrowLeft")
    await expect(ann.find("old-text")).to_have_text("good")
    await ann.find("restore").click()
    await ann.reads("good")
    await ann.settled()
    assert ann.problems == []


async def test_nobody_is_kept_out(server: str, browser: Browser) -> None:
    ann = await writer(browser)
    for scheme in SCHEMES:
        await ann.page.emulate_media(color_scheme=scheme)
        for width in (1280, 390):
            await ann.page.set_viewport_size({"width": width, "height": 800})
            await ann.page.goto(f"{server}/documents/")
            assert await problems(ann.page) == []
            await ann.find("name").fill("Ann")
            await ann.find("begin").click()
            await ann.settled()
            await ann.write("# Title\n\n- a list\n\n> said")
            await ann.settled()
            assert await problems(ann.page) == []
            await ann.find("show-versions").click()
            await expect(ann.find("old-text")).to_contain_text("said")
            assert await problems(ann.page) == []
            await ann.page.evaluate("sessionStorage.clear()")
