"""The table: Markdown for people, JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.servers import Server
from bench.stats import Results, Spread, Verdict, verdicts
from bench.trial import Figure
from bench.trials import TRIALS
from bench.workloads import IDLE, Work


@dataclass(frozen=True)
class Run:
    """Everything that a report tells of."""

    facts: dict[str, str]
    settings: dict[str, float]
    servers: Sequence[Server]
    works: Sequence[Work]
    with_idle: bool
    skipped: dict[str, str]
    results: Results
    titles: dict[str, str]
    """Of all servers by key, also of those that were not measured."""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    align = ["---", *("--:" for _ in head[1:])]
    return ["| " + " | ".join(cells) + " |" for cells in (head, align, *rows)]


def _thousands(value: Spread | None) -> str:
    if value is None:
        return "–"
    low, middle, high = (f"{number / 1000:.0f}" for number in (value.low, value.median, value.high))
    return middle if value.count == 1 else f"{middle} ({low}–{high})"


def _plain(value: Spread | None, unit: str) -> str:
    if value is None:
        return "–"
    digits = 2 if abs(value.median) < 1000 else 0
    middle = f"{value.median:,.{digits}f} {unit}".rstrip()
    return middle if value.count == 1 else f"{middle} ({value.low:,.{digits}f}–{value.high:,.{digits}f})"


def _targets(lines: Sequence[Verdict]) -> list[str]:
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = [(one.title, one.wanted, _plain(one.measured, one.unit), words[one.met]) for one in lines]
    return _table(("work", "target", "measured", "met"), rows)


def _throughput(run: Run) -> list[str]:
    rows = [
        (server.title, *(_thousands(run.results.throughput(work.key, server.key)) for work in run.works))
        for server in run.servers
    ]
    return _table(("thousands of deliveries a second", *(work.title for work in run.works)), rows)


def _detail(run: Run, server: Server, work: Work) -> str:
    one = run.results.typical(work.key, server.key)
    if one is None:
        return "–"
    return f"{one.p50_ms:.1f} / {one.p99_ms:.1f} ms, {one.server_cpu:.0%} / {one.load_cpu:.0%}"


def _details(run: Run) -> list[str]:
    rows = [(server.title, *(_detail(run, server, work) for work in run.works)) for server in run.servers]
    return _table(("latency p50 / p99, CPU server / load generator", *(work.title for work in run.works)), rows)


def _ratios(run: Run) -> list[str]:
    others = [server for server in run.servers if server.kind != "hub"]
    rows = [
        (other.title, *(_plain(run.results.ratio(work.key, "hub", other.key), "×") for work in run.works))
        for other in others
    ]
    return _table(("hubbub to", *(work.title for work in run.works)), rows)


def _idle(run: Run) -> list[str]:
    measured = [server for server in run.servers if server.key in run.results.idle]
    rows = [(server.title, _plain(run.results.idle_kb(server.key), "kB")) for server in measured]
    return _table((f"{IDLE.title}, memory of each", "resident"), rows)


def _trials(run: Run) -> dict[str, list[str]]:
    """By section: a table for each trial that was run."""
    sections: dict[str, list[str]] = {}
    for trial in TRIALS:
        if trial.key in run.results.trials:
            rows = [(one.title, _figure(run, trial.key, one)) for one in trial.figures]
            sections.setdefault(trial.section, []).append("\n".join(_table((trial.title, "measured"), rows)))
    return sections


def _figure(run: Run, trial: str, figure: Figure) -> str:
    return _plain(run.results.figure(trial, figure.key), figure.unit)


def markdown(run: Run) -> str:
    """Lay out the whole report."""
    settings = ", ".join(f"{name} {value:g}" for name, value in run.settings.items())
    parts = [
        "# Benchmark",
        f"Made by `make bench`; what it means stands in [README.md](../README.md). {settings.capitalize()}.",
        "Medians (min–max) over the rounds; ratios are taken within each round.",
        "## Targets",
        "\n".join(_targets(verdicts(run.results, run.titles))),
    ]
    if run.works:
        parts += ["## Throughput", "\n".join(_throughput(run))]
        parts += ["## The hub against each peer", "\n".join(_ratios(run))]
        parts += ["## In the typical round", "\n".join(_details(run))]
    if run.with_idle:
        parts += ["## Idle memory", "\n".join(_idle(run))]
    for section, tables in _trials(run).items():
        parts += [f"## {section}", *tables]
    if run.skipped:
        parts += ["## Left out", "\n".join(f"- {name}: {why}" for name, why in run.skipped.items())]
    if run.results.failures:
        parts += ["## Failed", "\n".join(f"- {failure}" for failure in run.results.failures)]
    parts += ["## Machine", "\n".join(f"- {name}: {value}" for name, value in run.facts.items())]
    return "\n\n".join(parts) + "\n"


def as_json(run: Run) -> str:
    """Hold every measurement, for whoever wants to compute something else."""
    document = {
        "facts": run.facts,
        "settings": run.settings,
        "works": [asdict(work) for work in run.works],
        "targets": [asdict(one) for one in verdicts(run.results, run.titles)],
        "rounds": [
            {"work": work, "server": server, "measurements": [one and asdict(one) for one in done]}
            for (work, server), done in run.results.rounds.items()
        ],
        "idle": {
            server: [asdict(one) | {"kb_per_connection": round(one.kb_per_connection, 2)} for one in done]
            for server, done in run.results.idle.items()
        },
        "trials": run.results.trials,
        "skipped": run.skipped,
        "failures": run.results.failures,
    }
    return json.dumps(document, indent=1) + "\n"


def write(run: Run, folder: Path) -> list[Path]:
    """Write both; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / "results.md": markdown(run), folder / "results.json": as_json(run)}
    for path, text in files.items():
        path.write_text(text)
    return list(files)
