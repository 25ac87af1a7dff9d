"""A real server of its own, and a real browser."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, WebSocket, async_playwright, expect

import hubbub

PATIENCE = 45.0
"""Seconds in which a page comes to what is expected of it: more than a client waits between two attempts (30)."""

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


def websocket(url: str) -> str:
    return f"ws{url.removeprefix('http')}/ws"


def need(found: object, what: str) -> None:
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{what} is missing, and CI has to have it")
        pytest.skip(f"{what} is missing")


class Hub:
    """A `hubbub serve` of its own, that can be killed and started again at the same address."""

    def __init__(self, **settings: str) -> None:
        """`settings` become `HUBBUB_*` variables."""
        self.url = ""
        self._settings = {f"HUBBUB_{name.upper()}": value for name, value in settings.items()}
        self._process: subprocess.Popen[str]

    def start(self) -> None:
        """Returns when it listens."""
        need((Path(hubbub.__file__).parent / "server/pages/index.html").exists(), "the built page (make pages)")
        port = self.url.rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hubbub.cli.main", "serve", "--anonymous", "--port", port],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **self._settings},
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Hubbub listens on" in line:
                self.url = line.split("listens on ")[1].split()[0]
                return
        pytest.fail("the server did not start")

    def kill(self) -> None:
        """As when its machine loses power."""
        self._process.kill()
        self._ended()

    def stop(self) -> None:
        self._process.terminate()
        self._ended()

    def _ended(self) -> None:
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def hub(**settings: str) -> Iterator[Hub]:
    process = Hub(**settings)
    process.start()
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture
def server() -> Iterator[str]:
    with hub() as process:
        yield process.url


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    need(chromium, "chromium")
    expect.set_options(timeout=PATIENCE * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield browser
        await browser.close()


class Visitor:
    """One person in a window of their own."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.greetings: list[str] = []
        """What the page said first over each of its connections, and what it said after a refusal."""
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("websocket", self._watch)

    async def enter(self, url: str, name: str, room: str) -> None:
        await self.page.goto(url)
        await self.find("name").fill(name)
        await self.find("first-room").fill(room)
        await self.find("enter").click()
        await expect(self.member(name)).to_be_visible()

    async def session(self) -> str:
        """The id of the session that the page keeps; empty without one."""
        kept = await self.page.evaluate("sessionStorage.getItem('hubbub.session')")
        return "" if kept is None else str(json.loads(kept)["sessionId"])

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)

    def _sent(self, frame: str | bytes) -> None:
        try:
            kind = json.loads(frame)["type"]
        except ValueError:
            # The playground sends Protobuf, and what is no message at all.
            return
        if kind in ("hello", "restore_session"):
            self.greetings.append(kind)

    def find(self, testid: str):  # type: ignore[no-untyped-def]
        return self.page.get_by_test_id(testid)

    def member(self, name: str):  # type: ignore[no-untyped-def]
        return self.page.locator(f'[data-testid="member"][data-user="{name}"]')

    def text(self, content: str):  # type: ignore[no-untyped-def]
        return self.find("text").filter(has_text=content)

    async def say(self, content: str) -> None:
        await self.find("composer").fill(content)
        await self.find("composer").press("Enter")

    async def texts(self, beginning: str) -> list[str]:
        """What is shown of the texts that begin so, in order."""
        return [text for text in await self.find("text").all_inner_texts() if text.startswith(beginning)]

    async def moderate(self, name: str, action: str) -> None:
        await self.member(name).get_by_test_id("moderate").click()
        await self.member(name).get_by_test_id(action).click()


async def visit(browser: Browser) -> Visitor:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    return Visitor(await context.new_page())


class Wire:
    """A way to the server that can be cut."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server
        self.is_cut = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def close(self) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Ends every connection and lets no other one through, until it is mended."""
        self.is_cut = True
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        self.is_cut = False

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self.is_cut:
            back.transport.abort()
            return
        far, out = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._ends |= {back, out}
        try:
            await asyncio.gather(_pump(near, out), _pump(far, back))
        finally:
            self._ends -= {back, out}


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    way = Wire(url)
    await way.open()
    try:
        yield way
    finally:
        await way.close()
