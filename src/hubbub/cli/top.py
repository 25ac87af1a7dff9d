"""`hubbub top`: the nodes of a cluster, and what they do, as it happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from hubbub.cli.cluster import BackendOption, ConfigOption, cluster_of, duration_of
from hubbub.errors import ConfigurationError
from hubbub.ports import Activity, NodeRecord
from hubbub.ports.answers import answer

_BAR = 10
"""Characters of a bar that shows how full a node is."""


def top(
    every: Annotated[float, typer.Option(help="Seconds between two looks.")] = 1.0,
    times: Annotated[int | None, typer.Option(help="Looks after which it ends; without, at Ctrl-C.", min=1)] = None,
    backend: BackendOption = None,
    config: ConfigOption = None,
) -> None:
    """Watch the nodes of a cluster: connections, and messages a second from clients, to them and between nodes."""
    if every <= 0:
        raise ConfigurationError("--every", "must be above 0")

    async def work() -> None:
        rates = Rates()
        async with cluster_of(backend, config) as (registry, _):
            with Live(console=Console(), auto_refresh=False, screen=False) as live:
                looks = 0
                while times is None or looks < times:
                    if looks:
                        await asyncio.sleep(every)
                    records = await answer(registry.nodes())
                    rates.take(records)
                    live.update(table(records, rates, time.time()), refresh=True)
                    looks += 1

    with suppress(KeyboardInterrupt):
        asyncio.run(work())


class Rates:
    """How much a second nodes do, by what they said of themselves last and before."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, Activity]] = {}
        self._rates: dict[str, tuple[float, float, float]] = {}

    def take(self, records: Iterable[NodeRecord]) -> None:
        """The nodes as they are now; who says nothing new does what it did."""
        for record in records:
            run, before = self._last.get(record.name, ("", Activity()))
            now = record.activity
            if run != record.run:
                self._rates.pop(record.name, None)
            elif now.at > before.at:
                pairs = (now.received - before.received, now.sent - before.sent, now.exchanged - before.exchanged)
                received, sent, exchanged = (max(0, each) / (now.at - before.at) for each in pairs)
                self._rates[record.name] = received, sent, exchanged
            self._last[record.name] = record.run, now

    def of(self, node: str) -> tuple[float, float, float] | None:
        """Messages from clients, to clients, and between nodes; None until the node has said so twice."""
        return self._rates.get(node)


def table(records: Sequence[NodeRecord], rates: Rates, now: float) -> Table:
    """One line a node, and one for all of them. `now` in seconds since 1970."""
    shown = Table(box=None, pad_edge=False, show_footer=len(records) > 1, header_style="bold", footer_style="bold")
    known = [found for record in records if (found := rates.of(record.name)) is not None]
    total = [_rate(sum(figures)) for figures in zip(*known, strict=True)] if known else ["-", "-", "-"]
    shown.add_column("NODE", footer=f"{len(records)} nodes", no_wrap=True)
    shown.add_column("STATE")
    shown.add_column("CONNECTIONS", footer=f"{sum(record.load for record in records):,}", justify="right")
    shown.add_column("FULL")
    for name, figure in zip(("IN/s", "OUT/s", "NODES/s"), total, strict=True):
        shown.add_column(name, footer=figure, justify="right")
    shown.add_column("UP", justify="right")
    for record in records:
        figures = rates.of(record.name)
        shown.add_row(
            record.name,
            record.state,
            f"{record.load:,}",
            _bar(record),
            *(["-"] * 3 if figures is None else map(_rate, figures)),
            duration_of(now - record.started),
            style="yellow" if record.state == "draining" else "",
        )
    return shown


def _bar(record: NodeRecord) -> str:
    if not record.capacity:
        return ""
    full = min(1.0, record.load / record.capacity)
    return f"{'█' * round(full * _BAR):░<{_BAR}} {full:4.0%}"


def _rate(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 or figure == 0 else f"{figure:.1f}"
