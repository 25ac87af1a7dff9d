"""The picture: a panel for each work, a bar for each server."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from bench.report import Run
from bench.servers import Kind
from bench.stats import Spread
from bench.trials import TRIALS
from bench.workloads import IDLE

COLOURS = {"hub": "#1565c0", "same": "#7b9cc4", "least": "#c9ccd1", "limit": "#8d6e63"}
LEGEND = {
    "hub": "hubbub: validation, log, acks",
    "same": "a peer with the same semantics",
    "least": "a peer with the least it can do; what the hub is compared with",
    "limit": "the limit: no protocol, or no disk",
}


@dataclass(frozen=True)
class Row:
    """One bar: whose it is, how long, and its colour."""

    label: str
    value: Spread
    kind: Kind


@dataclass(frozen=True)
class Panel:
    """One work, the idle memory, or a trial; its rows from the bottom to the top."""

    title: str
    unit: str
    scale: float
    digits: int
    rows: list[Row]


def _server_panel(run: Run, key: str, title: str) -> Panel:
    is_idle = key == IDLE.key
    measured = run.results.idle_kb if is_idle else lambda server: run.results.throughput(key, server)
    found = [(server, measured(server.key)) for server in run.servers]
    rows = [Row(server.title, value, server.kind) for server, value in found if value]
    rows.sort(key=lambda row: row.value.median, reverse=is_idle)
    if is_idle:
        return Panel(f"{title} (less is better)", "kB of resident memory each", 1.0, 1, rows)
    return Panel(title, "thousands of deliveries a second", 1000.0, 0, rows)


def _trial_panels(run: Run) -> list[Panel]:
    panels = []
    for trial in TRIALS:
        for bars in trial.bars:
            found = [(label, run.results.figure(trial.key, key), kind) for key, label, kind in bars.rows]
            rows = [Row(label, value, kind) for label, value, kind in reversed(found) if value]
            panels.append(Panel(bars.title, bars.unit, bars.scale, 1, rows))
    return panels


def _draw_panel(axes: Axes, panel: Panel) -> None:
    scale = panel.scale
    rows = panel.rows
    names = [row.label for row in rows]
    middles = [row.value.median / scale for row in rows]
    errors = [
        [(row.value.median - row.value.low) / scale for row in rows],
        [(row.value.high - row.value.median) / scale for row in rows],
    ]
    repeated = any(row.value.count > 1 for row in rows)
    bars = axes.barh(
        names,
        middles,
        xerr=errors if repeated else None,
        color=[COLOURS[row.kind] for row in rows],
        error_kw={"ecolor": "#555555", "elinewidth": 0.8, "capsize": 2},
        height=0.72,
    )
    reach = max((row.value.high / scale for row in rows), default=1)
    for bar, row in zip(bars, rows, strict=True):
        axes.text(
            row.value.high / scale + reach * 0.015,
            bar.get_y() + bar.get_height() / 2,
            f"{row.value.median / scale:.{panel.digits}f}",
            va="center",
            fontsize=8,
        )
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.kind == "hub" else "normal")
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
    panels = [_server_panel(run, work.key, work.title) for work in run.works]
    if run.with_idle:
        panels.append(_server_panel(run, IDLE.key, IDLE.title))
    panels = [panel for panel in (*panels, *_trial_panels(run)) if panel.rows]
    if not panels:
        return
    columns = min(2, len(panels))
    lines = (len(panels) + columns - 1) // columns
    figure, grid = pyplot.subplots(
        lines, columns, figsize=(6.4 * columns, 3.1 * lines + 0.5), squeeze=False, layout="constrained"
    )
    cells = list(grid.flat)
    for axes, panel in zip(cells, panels, strict=False):
        _draw_panel(axes, panel)
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
