"""The picture: a panel for each work, a bar for each server."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from bench.report import Run
from bench.servers import Server
from bench.stats import Spread
from bench.workloads import IDLE

COLOURS = {"hub": "#1565c0", "same": "#7b9cc4", "least": "#c9ccd1", "limit": "#8d6e63"}
LEGEND = {
    "hub": "hubbub: validation, log, acks",
    "same": "a peer with the same semantics",
    "least": "a peer with the least it can do",
    "limit": "the limit: no protocol",
}


@dataclass(frozen=True)
class Panel:
    """One work, or the idle memory."""

    key: str
    title: str
    unit: str
    scale: float


def _rows(run: Run, key: str) -> list[tuple[Server, Spread]]:
    if key == IDLE.key:
        found = [(server, run.results.idle_kb(server.key)) for server in run.servers]
    else:
        found = [(server, run.results.throughput(key, server.key)) for server in run.servers]
    rows = [(server, value) for server, value in found if value]
    rows.sort(key=lambda row: row[1].median, reverse=key == IDLE.key)
    return rows


def _draw_panel(axes: Axes, run: Run, panel: Panel) -> None:
    scale = panel.scale
    rows = _rows(run, panel.key)
    names = [server.title for server, _ in rows]
    middles = [value.median / scale for _, value in rows]
    errors = [
        [(value.median - value.low) / scale for _, value in rows],
        [(value.high - value.median) / scale for _, value in rows],
    ]
    repeated = any(value.count > 1 for _, value in rows)
    bars = axes.barh(
        names,
        middles,
        xerr=errors if repeated else None,
        color=[COLOURS[server.kind] for server, _ in rows],
        error_kw={"ecolor": "#555555", "elinewidth": 0.8, "capsize": 2},
        height=0.72,
    )
    digits = 1 if panel.key == IDLE.key else 0
    reach = max((value.high / scale for _, value in rows), default=1)
    for bar, (_, value) in zip(bars, rows, strict=True):
        axes.text(
            value.high / scale + reach * 0.015,
            bar.get_y() + bar.get_height() / 2,
            f"{value.median / scale:.{digits}f}",
            va="center",
            fontsize=8,
        )
    for label, (server, _) in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if server.kind == "hub" else "normal")
    axes.set_xlim(0, reach * 1.14)
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.set_xlabel(panel.unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def draw(run: Run, file: Path) -> None:
    """Draw and write the picture, in the format of the file's suffix."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "hubbub"  # equal results give equal files
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text: a fifth of the size
    panels = [Panel(work.key, work.title, "thousands of deliveries a second", 1000.0) for work in run.works]
    if run.with_idle:
        panels.append(Panel(IDLE.key, f"{IDLE.title} (less is better)", "kB of resident memory each", 1.0))
    panels = [panel for panel in panels if _rows(run, panel.key)]
    if not panels:
        return
    columns = min(2, len(panels))
    lines = (len(panels) + columns - 1) // columns
    figure, grid = pyplot.subplots(
        lines, columns, figsize=(6.4 * columns, 3.1 * lines + 0.5), squeeze=False, layout="constrained"
    )
    cells = list(grid.flat)
    for axes, panel in zip(cells, panels, strict=False):
        _draw_panel(axes, run, panel)
    handles = [Patch(color=COLOURS[kind], label=text) for kind, text in LEGEND.items()]
    if len(cells) > len(panels):
        for axes in cells[len(panels) :]:
            axes.axis("off")
        cells[-1].legend(handles=handles, loc="center", fontsize=9, frameon=False)
    else:
        figure.legend(handles=handles, loc="outside lower center", ncols=columns * 2, fontsize=8, frameon=False)
    rounds = run.settings.get("rounds", 0)
    figure.suptitle(
        f"One core for the server, one for the load generator; medians, min–max; rounds: {rounds:g}",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    figure.savefig(file, dpi=110, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)
