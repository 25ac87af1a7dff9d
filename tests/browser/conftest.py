"""A real server of its own, and a real browser."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

import hubbub

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def need(found: object, what: str) -> None:
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{what} is missing, and CI has to have it")
        pytest.skip(f"{what} is missing")


@pytest.fixture
def server() -> Iterator[str]:
    need((Path(hubbub.__file__).parent / "server/pages/index.html").exists(), "the built page (make pages)")
    process = subprocess.Popen(
        [sys.executable, "-m", "hubbub.cli.main", "serve", "--anonymous", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Hubbub listens on" in line:
                yield line.split("listens on ")[1].split()[0]
                break
        else:
            pytest.fail("the server did not start")
    finally:
        process.terminate()
        process.wait(timeout=15)
        process.stdout.close()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    need(chromium, "chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


class Visitor:
    """One person in a window of their own."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    async def enter(self, url: str, name: str, room: str) -> None:
        await self.page.goto(url)
        await self.find("name").fill(name)
        await self.find("first-room").fill(room)
        await self.find("enter").click()
        await expect(self.member(name)).to_be_visible()

    def find(self, testid: str):  # type: ignore[no-untyped-def]
        return self.page.get_by_test_id(testid)

    def member(self, name: str):  # type: ignore[no-untyped-def]
        return self.page.locator(f'[data-testid="member"][data-user="{name}"]')

    def text(self, content: str):  # type: ignore[no-untyped-def]
        return self.find("text").filter(has_text=content)

    async def say(self, content: str) -> None:
        await self.find("composer").fill(content)
        await self.find("composer").press("Enter")

    async def moderate(self, name: str, action: str) -> None:
        await self.member(name).get_by_test_id("moderate").click()
        await self.member(name).get_by_test_id(action).click()


async def visit(browser: Browser) -> Visitor:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    return Visitor(await context.new_page())
