"""`python -m bench.run`: measures the hub and its peers in turn, and writes a table and a plot."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import plot, report
from bench.build import build_programs, install_node_packages
from bench.load import HOLD_SECONDS, measure, measure_idle
from bench.machine import facts
from bench.process import ROOT, SCRATCH, BenchError
from bench.servers import BENCH, Server, all_servers
from bench.stats import Results
from bench.trial import PartlyFailed, Setting, Trial
from bench.trials import ALL_KEYS, TRIALS
from bench.workloads import IDLE, THROUGHPUT, Work

FULL_ROUNDS = 5
KEPT = BENCH / "results"


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    rounds: int
    seconds: float
    warm: float
    only: tuple[str, ...]
    work: tuple[str, ...]
    hub: Path
    out: Path


def _keys(text: str) -> tuple[str, ...]:
    return tuple(key for key in text.split(",") if key)


def parse(words: Sequence[str]) -> Options:
    """Read the command line; what is not a full run does not touch the kept results."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    hub = Path(sys.executable).parent / "hubbub"
    names = [server.key for server in all_servers(hub)]
    parser.add_argument("--rounds", type=int, default=FULL_ROUNDS, help="paired rounds (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (default %(default)s)")
    parser.add_argument("--warm", type=float, default=1.0, help="seconds before it (default %(default)s)")
    parser.add_argument("--only", type=_keys, default=(), help=f"servers, of {','.join(names)}")
    parser.add_argument("--work", type=_keys, default=(), help=f"works, of {','.join(ALL_KEYS)}")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s: does it run?")
    parser.add_argument("--hub", type=Path, default=hub, help="the hub's program")
    parser.add_argument("--out", type=Path, help=f"folder; partial runs go to {SCRATCH.relative_to(ROOT)}")
    given = parser.parse_args(words)
    unknown = [key for key in given.only if key not in names] + [key for key in given.work if key not in ALL_KEYS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    rounds, seconds, warm = (1, 1.0, 0.5) if given.quick else (given.rounds, given.seconds, given.warm)
    full = rounds >= FULL_ROUNDS and not given.only and not given.work
    return Options(
        rounds=rounds,
        seconds=seconds,
        warm=warm,
        only=given.only,
        work=given.work or ALL_KEYS,
        hub=given.hub,
        out=given.out or (KEPT if full else SCRATCH),
    )


class Progress:
    """Says what is going on, and how long it will take."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.done = 0
        self.began = time.monotonic()

    def step(self, label: str, action: Callable[[], str]) -> str | None:
        """Do one step and show its outcome; returns why it failed, or None."""
        print(f"{label:<72}", end="", flush=True)
        try:
            outcome, failure = action(), None
        except BenchError as error:
            outcome, failure = "failed", str(error)
        self.done += 1
        left = (time.monotonic() - self.began) / self.done * (self.steps - self.done)
        print(f"{outcome:>26}   {left / 60:4.1f} min left", flush=True)
        if failure:
            print("    " + failure.replace("\n", "\n    "), flush=True)
        return failure


def run_rounds(servers: Sequence[Server], works: Sequence[Work], options: Options, progress: Progress) -> Results:
    """In each round, for each work every server in turn; each round begins with another server."""
    results = Results({(work.key, one.key): [] for work in works for one in servers}, {}, [])
    for number in range(options.rounds):
        first = number * 3 % len(servers)
        for work in works:
            for server in (*servers[first:], *servers[:first]):
                done = results.rounds[work.key, server.key]

                def action(server: Server = server, work: Work = work, done: list[Any] = done) -> str:
                    one = measure(server, work, options.seconds, options.warm)
                    done.append(one)
                    return f"{one.deliveries_per_s / 1000:7.1f}k/s, p99 {one.p99_ms:.1f} ms"

                label = f"round {number + 1}/{options.rounds}  {work.title:<32} {server.key}"
                if failure := progress.step(label, action):
                    done.append(None)
                    results.failures.append(f"round {number + 1}, {work.title}, {server.title}: {failure}")
    return results


def run_idle(servers: Sequence[Server], results: Results, progress: Progress) -> None:
    """Once each: memory hardly varies."""
    for server in servers:

        def action(server: Server = server) -> str:
            one = measure_idle(server)
            results.idle[server.key] = [one]
            return f"{one.kb_per_connection:.1f} kB a connection"

        if failure := progress.step(f"{IDLE.title:<43} {server.key}", action):
            results.failures.append(f"{IDLE.title}, {server.title}: {failure}")


def run_trials(trials: Sequence[Trial], results: Results, options: Options, progress: Progress) -> None:
    """In each round all of them, one after the other."""
    results.trials = {trial.key: [] for trial in trials}
    for number in range(options.rounds):
        for trial in trials:
            if number >= rounds_of(trial, options):
                continue
            done = results.trials[trial.key]

            def action(trial: Trial = trial, number: int = number, done: list[Any] = done) -> str:
                try:
                    found = trial.run(Setting(options.hub, options.seconds, options.warm, number))
                except PartlyFailed as error:
                    done.append(error.found)
                    raise
                done.append(found)
                shown = next(figure for figure in trial.figures if figure.key == trial.headline)
                return f"{found[shown.key]:,.2f} {shown.unit}" if shown.key in found else "done"

            label = f"round {number + 1}/{rounds_of(trial, options)}  {trial.title}"
            if failure := progress.step(label, action):
                if len(done) == number:
                    done.append(None)
                results.failures.append(f"round {number + 1}, {trial.title}: {failure}")


def rounds_of(trial: Trial, options: Options) -> int:
    """How often a trial is run."""
    return options.rounds if trial.rounds is None else min(trial.rounds, options.rounds)


def choose(options: Options, hinders_node: str | None) -> tuple[list[Server], dict[str, str]]:
    """Find which servers can run; the others are named in the report with the reason."""
    chosen, skipped = [], {}
    for server in all_servers(options.hub):
        if options.only and server.key not in options.only:
            continue
        reason = hinders_node if server.command[0] == "node" and hinders_node else server.unavailable()
        if reason:
            skipped[server.title] = reason
        else:
            chosen.append(server)
    return chosen, skipped


def main(words: Sequence[str] | None = None) -> int:
    """Measure, write, print; 1 when something failed. A target that is missed is a finding, not a failure."""
    options = parse(sys.argv[1:] if words is None else words)
    # So that a plain kill, too, runs the ends of the context managers, which end the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        build_programs()
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    servers, skipped = choose(options, install_node_packages())
    works = [work for work in THROUGHPUT if work.key in options.work]
    idle = [server for server in servers if server.idle and server.kind != "limit"]
    with_idle = IDLE.key in options.work
    trials = [trial for trial in TRIALS if trial.key in options.work and any(one.key == "hub" for one in servers)]
    for trial in trials:
        skipped |= {f"{trial.title}: {name}": reason for name, reason in trial.left_out().items()}
    for name, reason in skipped.items():
        print(f"left out: {name}: {reason}")
    known = facts()
    steps = options.rounds * len(works) * len(servers) + len(idle) * with_idle
    progress = Progress(steps + sum(rounds_of(trial, options) for trial in trials))
    results = run_rounds(servers, works, options, progress)
    if with_idle:
        run_idle(idle, results, progress)
    run_trials(trials, results, options, progress)
    settings = {
        "rounds": options.rounds,
        "seconds": options.seconds,
        "warm-up": options.warm,
        "hold": HOLD_SECONDS,
    }
    titles = {server.key: server.title for server in all_servers(options.hub)}
    run = report.Run(known, settings, servers, works, with_idle, skipped, results, titles)
    files = report.write(run, options.out)
    picture = options.out / "results.svg"
    plot.draw(run, picture)
    print("\n" + report.markdown(run))
    print("written:", *(os.path.relpath(file) for file in (*files, picture)))
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
