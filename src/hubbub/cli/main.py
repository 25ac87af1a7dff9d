"""`hubbub`: serve, publish, subscribe, print the contracts."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from hubbub.app.application import Hubbub
from hubbub.cli.cluster import drain, nodes, rebalance
from hubbub.cli.demo import register_demo
from hubbub.cli.documents import serve_documents
from hubbub.cli.proxies import haproxy, nginx
from hubbub.cli.top import top
from hubbub.cli.workers import Workers
from hubbub.client.connecting import connect
from hubbub.config import Settings, load_settings
from hubbub.errors import ConfigurationError, HubbubError
from hubbub.protocol.asyncapi import asyncapi
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.schema import json_schema, proto_text
from hubbub.protocol.typescript import typescript
from hubbub.server.descriptors import raise_descriptor_limit

app = typer.Typer(
    help="Realtime messaging for Python: a WebSocket server, and what talks to it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

UrlOption = Annotated[str, typer.Option(envvar="HUBBUB_URL", help="Where the server is.")]
TokenOption = Annotated[str | None, typer.Option(envvar="HUBBUB_TOKEN", help="The token to show.")]
UserOption = Annotated[str | None, typer.Option(help="The name to use where anonymous users are allowed.")]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.  [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 chooses a free one.  [8000]")] = None,
    anonymous: Annotated[
        bool | None,
        typer.Option("--anonymous/--no-anonymous", help="Let users in without credentials.", show_default=False),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="What nodes share: redis://host:6379/0. Turns on everything that several nodes need."),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            help="Where logs are kept: memory, sqlite:///path/to/file, redis://… or kafka://….  [the backend or memory]"
        ),
    ] = None,
    sessions: Annotated[
        str | None,
        typer.Option(
            help="Where sessions are kept: memory, redis://… or zookeeper://….  [with the backend, else the log]"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes on the port, joined by this one; one for a core.  [1]")
    ] = None,
    documents: Annotated[
        str | None,
        typer.Option(help="Where documents are kept: postgresql://…, or off.  [with the log]"),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with settings.")] = None,
    verbose: Annotated[bool, typer.Option(help="Log at debug level.")] = False,
) -> None:
    """Run a server. Settings come from --config, then HUBBUB_* variables, then the options."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    settings = load_settings(
        config,
        host=host,
        port=port,
        anonymous=anonymous,
        backend=backend,
        log=log,
        sessions=sessions,
        documents=documents,
        workers=workers,
    )
    raise_descriptor_limit()
    # Most of what a message makes is gone with it: look for cycles less often than every 700 objects.
    gc.set_threshold(10_000, 20, 20)
    if settings.workers > 1:
        asyncio.run(_serve_with_workers(settings, verbose))
        return
    hub = Hubbub(settings)
    register_demo(hub)
    serve_documents(hub)

    def started() -> None:
        print(f"Hubbub listens on {hub.url}  (WebSocket at /ws, Ctrl-C drains and stops)", flush=True)

    asyncio.run(hub.run_until_signal(started))


@app.command()
def pub(
    channel: Annotated[str, typer.Argument(help="room:ID, topic:a.b or user:ID")],
    text: Annotated[str, typer.Argument(help="The text; - reads lines from standard input.")],
    url: UrlOption = "ws://127.0.0.1:8000/ws",
    token: TokenOption = None,
    user: UserOption = None,
) -> None:
    """Publish a text, and print where it stands once the server has it."""

    async def work() -> None:
        async with connect(url, token=token, user=user) as client:
            if channel.startswith("room:"):
                await client.join(channel)
            for line in sys.stdin if text == "-" else [text]:
                position = await client.publish(channel, line.rstrip("\n"))
                print(f"{channel} {position.offset}", flush=True)

    _run(work())


@app.command()
def sub(
    channel: Annotated[str, typer.Argument(help="room:ID, topic:a.b, topic:a.*, topic:a.** or user:ID")],
    url: UrlOption = "ws://127.0.0.1:8000/ws",
    token: TokenOption = None,
    user: UserOption = None,
    count: Annotated[int | None, typer.Option(help="Stop after so many messages.")] = None,
    raw: Annotated[bool, typer.Option("--json", help="Print whole messages as JSON, one a line.")] = False,
) -> None:
    """Print what a channel gets, one line a message, until Ctrl-C."""

    async def work() -> None:
        left = count
        async with connect(url, token=token, user=user) as client:
            async for message in client.subscribe(channel):
                if raw:
                    print(msgspec.json.encode(message).decode(), flush=True)
                else:
                    payload = msgspec.to_builtins(message.payload)
                    content = payload.get("content") if message.type == "text" else None
                    print(f"{message.sender}: {content or json.dumps(payload)}", flush=True)
                if left is not None:
                    left -= 1
                    if left == 0:
                        return

    _run(work())


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(help="How many seeds to play.")] = 1000,
    seed: Annotated[int | None, typer.Option(help="Play this one alone.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes.  [as many as cores]")] = None,
    nodes: Annotated[int, typer.Option(help="Nodes over one shared log; with one, a hub alone.", min=1)] = 1,
    documents: Annotated[bool, typer.Option("--documents", help="People who edit one document.")] = False,
) -> None:
    """Test the guarantee: real hub, client and log over a network that fails, on virtual time."""
    # Imported when it is needed: it is the one command that does.
    from hubbub.cli.simulate import run_simulations  # noqa: PLC0415

    if run_simulations(seeds, seed, jobs, nodes, documents=documents):
        raise SystemExit(1)


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(help="json, protobuf, asyncapi or typescript")],
) -> None:
    """Print the contract: the JSON Schema, the Protobuf file, the AsyncAPI 3 document or TypeScript."""
    if kind == "json":
        print(json.dumps(json_schema(Catalog()), indent=2, ensure_ascii=False))
    elif kind == "asyncapi":
        print(json.dumps(asyncapi(Catalog()), indent=2, ensure_ascii=False))
    elif kind == "protobuf":
        print(proto_text(), end="")
    elif kind == "typescript":
        print(typescript(Catalog()), end="")
    else:
        raise ConfigurationError("schema", "say json, protobuf, asyncapi or typescript")


async def _serve_with_workers(settings: Settings, verbose: bool) -> None:
    def started(url: str) -> None:
        print(
            f"Hubbub listens on {url}  ({settings.workers} workers, WebSocket at /ws, Ctrl-C drains and stops)",
            flush=True,
        )

    await Workers(settings, settings.workers, verbose=verbose).run(started)


app.command()(nginx)
app.command()(haproxy)
app.command()(nodes)
app.command()(drain)
app.command()(rebalance)
app.command()(top)


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def main() -> None:
    """The entry point: errors that are the user's to mend are told in one line."""
    try:
        app()
    except (HubbubError, OSError) as error:
        print(f"hubbub: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, ConfigurationError) else 1) from None


if __name__ == "__main__":
    main()
