"""Looking at the nodes of a cluster, and moving clients between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from pathlib import Path
from typing import Annotated

import typer

from hubbub.app.stores import Stores, open_stores
from hubbub.config import load_settings
from hubbub.errors import ConfigurationError
from hubbub.hub.hub import wall_ms
from hubbub.node.balancing import plan_moves
from hubbub.node.post import Drain, Rebalance, send
from hubbub.ports import Mailbox, NodeRecord, Registry
from hubbub.ports.answers import answer

_PATIENCE = 60.0
"""Seconds, beyond those that a drain is spread over, for which its end is waited for."""

_HEARING = 10.0
"""Seconds in which every node that lives says how many connections it has."""

BackendOption = Annotated[
    str | None, typer.Option(envvar="HUBBUB_BACKEND", help="What the nodes share: redis://host:6379/0.")
]
ConfigOption = Annotated[Path | None, typer.Option(help="A TOML file with settings.")]


def nodes(backend: BackendOption = None, config: ConfigOption = None) -> None:
    """Print the nodes of a cluster: name, state, connections, address."""

    async def work() -> None:
        async with cluster_of(backend, config) as (registry, _):
            for line in table(await answer(registry.nodes()), time.time()):
                print(line)

    asyncio.run(work())


def drain(
    node: Annotated[str, typer.Argument(help="The node's name, as `hubbub nodes` prints it.")],
    over: Annotated[float, typer.Option(help="Seconds over which its clients go at most.")] = 30.0,
    cancel: Annotated[bool, typer.Option("--cancel", help="Let it take part again.")] = False,
    backend: BackendOption = None,
    config: ConfigOption = None,
) -> None:
    """Send the clients of a node to the others, and wait until they are there. The node runs on without any."""
    _check_duration(over)

    async def work() -> bool:
        async with cluster_of(backend, config) as (registry, mailbox):
            if await _find(registry, node) is None:
                raise ConfigurationError("node", f"there is no node {node}: `hubbub nodes` prints those there are")
            send(mailbox, node, Drain(None if cancel else over))
            return await follow(registry, node, over, is_wanted="up" if cancel else "draining")

    if not asyncio.run(work()):
        raise SystemExit(1)


def rebalance(
    over: Annotated[float, typer.Option(help="Seconds over which clients go at most.")] = 30.0,
    backend: BackendOption = None,
    config: ConfigOption = None,
) -> None:
    """Make all nodes equally full: who has more clients than the others sends some to them. Waits until it is so."""
    _check_duration(over)

    async def work() -> bool:
        async with cluster_of(backend, config) as (registry, mailbox):
            moves = plan_moves(await _hear(registry))
            for node, targets in moves.items():
                send(mailbox, node, Rebalance(targets, over))
            return await _settle(registry, over)

    if not asyncio.run(work()):
        raise SystemExit(1)


def _check_duration(over: float) -> None:
    if over <= 0:
        raise ConfigurationError("--over", "must be above 0")


async def _hear(registry: Registry) -> Sequence[NodeRecord]:
    """The nodes as they are by now: everyone has said so since this was called."""
    known = {record.name: record.activity.at for record in await answer(registry.nodes())}
    deadline = time.monotonic() + _HEARING
    while True:
        records = await answer(registry.nodes())
        if all(record.activity.at != known.get(record.name) for record in records) or time.monotonic() > deadline:
            return records
        await asyncio.sleep(0.2)


async def _settle(registry: Registry, over: float) -> bool:
    """Prints how many each node has, until nobody has more than the share. False when time is over."""
    deadline = time.monotonic() + over + _PATIENCE
    told = ""
    while time.monotonic() < deadline:
        records = await answer(registry.nodes())
        line = ", ".join(f"{record.name}: {record.load}" for record in records)
        if line != told:
            told = line
            print(line, flush=True)
        if not plan_moves(records):
            return True
        await asyncio.sleep(0.5)
    return False


async def follow(registry: Registry, node: str, over: float, *, is_wanted: str) -> bool:
    """Prints how many are left, until that is nobody, or the node takes part again. False when time is over."""
    deadline = time.monotonic() + over + _PATIENCE
    told = ""
    while time.monotonic() < deadline:
        record = await _find(registry, node)
        if record is None:
            print(f"{node} is gone")
            return True
        line = f"{node}: {record.state}, {record.load} connections"
        if line != told:
            told = line
            print(line, flush=True)
        if record.state == is_wanted and (is_wanted == "up" or record.load == 0):
            return True
        await asyncio.sleep(0.5)
    return False


async def _find(registry: Registry, node: str) -> NodeRecord | None:
    return next((record for record in await answer(registry.nodes()) if record.name == node), None)


@asynccontextmanager
async def cluster_of(backend: str | None, config: Path | None) -> AsyncIterator[tuple[Registry, Mailbox]]:
    """What the nodes find each other by. Raises `ConfigurationError` where there is no such thing."""
    stores = open_stores(load_settings(config, backend=backend), time.monotonic, wall_ms)
    if stores.registry is None or stores.mailbox is None:
        raise ConfigurationError("backend", "say what the nodes share: --backend redis://host:6379/0")
    await stores.connect()
    try:
        yield stores.registry, stores.mailbox
    finally:
        await _close(stores)


async def _close(stores: Stores) -> None:
    given = (stores.sessions, stores.directory, stores.presence, stores.registry, stores.mailbox, stores.log)
    for store in given:
        closed = None if store is None else store.close()
        if isawaitable(closed):
            await closed
    await stores.close()


def table(records: Sequence[NodeRecord], now: float) -> list[str]:
    """One line a node, under a heading. `now` in seconds since 1970."""
    rows = [("NODE", "STATE", "CONNECTIONS", "UP", "URL")]
    for record in records:
        load = f"{record.load}/{record.capacity}" if record.capacity else str(record.load)
        rows.append((record.name, record.state, load, duration_of(now - record.started), record.url or "-"))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def duration_of(seconds: float) -> str:
    seconds = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
