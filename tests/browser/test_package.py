"""What `npm pack` makes installs and works: in Node, and in a fresh Vite project with a page and a worker."""

from __future__ import annotations

import asyncio
import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

import hubbub

from .conftest import hub, need, visit, websocket, wire

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parents[2] / "clients/typescript"
TOOLS = Path(__file__).parents[2] / "node_modules"

CONVERSE = """
import { Client } from "hubbub";
import { protobuf } from "hubbub/protobuf";

export async function converse(url: string, user: string, options: object = {}): Promise<string> {
  const said: string[] = [];
  for (const codec of [{}, { codec: protobuf }]) {
    const client = new Client(url, { user, ...options, ...codec });
    await client.connect();
    const messages = client.messages(`room:${user}`, { ack: true });
    await messages.begin();
    await client.publish(`room:${user}`, { type: "text", payload: { content: `hello, ${user}` } });
    const { value } = await messages.next();
    said.push(String(value?.payload["content"]));
    client.close();
  }
  return said.join(" and ");
}
"""
PAGE = """
import { converse } from "./converse";
import { outboxInBrowser, sessionInTab } from "hubbub/browser";
import { Contents } from "hubbub/content";

const url = new URL(location.href).searchParams.get("hub") ?? "";
const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
worker.onmessage = ({ data }) => (document.querySelector("#worker")!.textContent = String(data));
worker.postMessage(url);
const options = { sessionStore: sessionInTab("test"), outbox: outboxInBrowser("test") };
void converse(url, "page", options).then((said) => (document.querySelector("#page")!.textContent = said));
console.log(Contents.name);
"""
WRITER = """
import { Client } from "hubbub";
import { outboxInBrowser } from "hubbub/browser";

const client = new Client(new URL(location.href).searchParams.get("hub") ?? "", {
  user: "writer",
  outbox: outboxInBrowser("written"),
});
const errors: string[] = [];
client.on("error", ({ message }) => errors.push(message));
const say = (content: string) => client.publish("topic:outbox", { type: "text", payload: { content } });
Object.assign(window, { client, errors, say });
void client.connect();
"""
WORKER = """
import { converse } from "./converse";
onmessage = ({ data }) => void converse(String(data), "worker").then((said) => postMessage(said));
"""
NODE = """
import WebSocket from "ws";
import { webSocketOf } from "hubbub/node";
import { converse } from "./converse.ts";
console.log(await converse(process.argv[2] ?? "", "node", { webSocket: webSocketOf(WebSocket) }));
"""


def run(folder: Path, *words: str) -> str:
    found = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 0, f"{words}:\n{found.stdout}\n{found.stderr}"
    return found.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean folder with the package and, of what is here already, Vite and `ws`."""
    need(shutil.which("npm") and (TOOLS / "vite").exists(), "npm with the development packages (make setup)")
    folder = tmp_path_factory.mktemp("project")
    packed = json.loads(run(PACKAGE, "npm", "pack", "--json", "--pack-destination", str(folder)))
    found = packed[0] if isinstance(packed, list) else next(iter(packed.values()))
    files = {file["path"] for file in found["files"]}
    assert {"LICENSE", "README.md", "dist/index.js", "dist/index.d.ts", "dist/protobuf.js"} <= files
    assert not [file for file in files if file.startswith(("src/", "tests/", "node_modules/"))]
    (folder / "package.json").write_text('{"name": "fresh", "private": true, "type": "module"}')
    run(folder, "npm", "install", "--no-audit", "--no-fund", "--offline", f"./{found['filename']}")
    for name, text in {"converse": CONVERSE, "main": PAGE, "worker": WORKER, "writer": WRITER}.items():
        (folder / f"{name}.ts").write_text(text)
    (folder / "index.html").write_text(
        '<!doctype html><p id="page"></p><p id="worker"></p><script type="module" src="./main.ts"></script>'
    )
    (folder / "writer.html").write_text('<!doctype html><script type="module" src="./writer.ts"></script>')
    (folder / "vite.config.js").write_text(
        'export default { base: "./", build: { rollupOptions: { input: ["index.html", "writer.html"] } } };'
    )
    return folder


@pytest.fixture(scope="module")
def built(project: Path) -> Path:
    """The pages, as Vite makes them."""
    run(project, str(TOOLS / ".bin/vite"), "build", "--logLevel", "error")
    return project / "dist"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_types_are_there(project: Path) -> None:
    options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"]
    (project / "types.ts").write_text(
        'import { Client } from "hubbub";\n'
        'import type { ProtocolMessage, WelcomeMessage } from "hubbub/protocol";\n'
        'const client: Client = new Client("ws://127.0.0.1:1/ws");\n'
        'const kind: ProtocolMessage["type"] = "text";\n'
        "// @ts-expect-error - there is no such type\n"
        'const wrong: ProtocolMessage["type"] = "weather";\n'
        "export const node = (message: WelcomeMessage): string => message.payload.node;\n"
        "export { client, kind, wrong };\n"
    )
    run(project, str(TOOLS / ".bin/tsc"), "--ignoreConfig", *options, "types.ts")


def test_it_works_in_node(project: Path) -> None:
    modules = project / "node_modules"
    (modules / "ws").symlink_to(TOOLS / "ws")
    (project / "node.ts").write_text(NODE)
    run(project, str(TOOLS / ".bin/rolldown"), "node.ts", "--file", "node.mjs", "--platform", "node")
    with hub() as server:
        said = run(project, "node", "node.mjs", websocket(server.url))
    assert said.strip() == "hello, node and hello, node"


async def test_it_works_in_a_page_and_a_worker(built: Path, browser: Browser) -> None:
    ann = await visit(browser)
    with served(built) as pages, hub(origins=pages) as server:
        await ann.page.goto(f"{pages}/?hub={websocket(server.url)}")
        for place in ("page", "worker"):
            await expect(ann.page.locator(f"#{place}")).to_have_text(f"hello, {place} and hello, {place}")
    assert ann.problems == []


STORED = """
() => new Promise((resolve, reject) => {
  const opening = indexedDB.open("written", 1);
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const asked = opening.result.transaction("messages").objectStore("messages").getAll();
    asked.onsuccess = () => resolve(asked.result.map(({payload}) => payload.content));
  };
})
"""


async def test_what_was_written_offline_outlives_its_page(built: Path, browser: Browser) -> None:
    ann = await visit(browser)
    with served(built) as pages, hub(origins=pages) as server:
        async with (
            wire(server.url) as way,
            hubbub.connect(websocket(server.url), user="reader") as reader,
            reader.subscribe("topic:outbox") as messages,
        ):
            address = f"{pages}/writer.html?hub={websocket(way.url.rstrip('/'))}"
            await ann.page.goto(address)
            await ann.page.wait_for_function("client.state.phase == 'open'")
            way.cut()
            await ann.page.wait_for_function("client.state.phase == 'waiting'")
            written = [str(number) for number in range(5)]
            await ann.page.evaluate(f"for (const content of {written}) void say(content).catch(() => undefined)")
            async with asyncio.timeout(10):
                while await ann.page.evaluate(STORED) != written:
                    await asyncio.sleep(0.05)
            # A second tab with the same outbox is told, and keeps what waits in memory.
            second = await ann.page.context.new_page()
            await second.goto(address)
            await second.wait_for_function("errors.length == 1")
            assert await second.evaluate("errors[0]") == "the outbox failed: Error: another tab has written"
            await second.close()
            await ann.page.reload()
            await ann.page.evaluate("void say('newer')")
            way.mend()
            async with asyncio.timeout(30):
                found = [(await anext(messages)).payload.content for _ in range(6)]
            assert found == [*written, "newer"]
            async with asyncio.timeout(10):
                while await ann.page.evaluate(STORED) != []:
                    await asyncio.sleep(0.05)
    assert ann.problems == []
