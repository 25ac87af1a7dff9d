"""`python -m bench.profile`: where the hub's time goes under load. Makes the numbers of docs/profile.md.

Two looks, each at a fresh hub. cProfile counts the calls of Python functions, and by that makes small ones
look dearer than they are. perf samples the undisturbed process down to the kernel, where most time goes.
"""

import argparse
import io
import pstats
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.build import build_programs
from bench.load import check, generate
from bench.process import BenchError, cores, running
from bench.servers import Server, all_servers
from bench.workloads import THROUGHPUT, Work

WARM_SECONDS = "1"
DEFAULT_WORK = "topic-8,rooms-2"


def _load(server: Server, work: Work, port: int, pid: int, seconds: float) -> dict[str, Any]:
    frames = server.frames(work)
    more = ("--window", str(work.window), "--warm", WARM_SECONDS, "--seconds", str(seconds))
    report = generate(frames, work, port, pid, *more)
    check(report, frames)
    return report


def _summary(report: dict[str, Any]) -> str:
    return (
        f"{report['deliveries_per_s'] / 1000:.0f} thousand deliveries a second, "
        f"{report['published_per_s']:.0f} messages a second, "
        f"{report['deliveries_per_read']:.1f} deliveries a read of the receiver; "
        f"CPU {report['server_user_cpu']:.0%} user, {report['server_kernel_cpu']:.0%} kernel, "
        f"load generator {report['load_cpu']:.0%}"
    )


def _short(text: str) -> str:
    """Cut the folders off the file names, which only tell about this machine."""
    for place in sorted({*sys.path, sys.prefix, sys.base_prefix}, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(place.rstrip("/") + "/", "")
    return text


def by_function(server: Server, work: Work, seconds: float, top: int) -> str:
    """Run the hub under cProfile; returns its functions by their own time."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hub.prof"
        command = (sys.executable, "-m", "cProfile", "-o", str(file), *server.command)
        with running(command, cores()[0], gently=True) as (port, pid):
            report = _load(server, work, port, pid, seconds)
        if not file.exists():
            raise BenchError("the hub ended without writing its profile")
        out = io.StringIO()
        stats = pstats.Stats(str(file), stream=out)
        stats.sort_stats("tottime").print_stats(top)
    lines = [line for line in out.getvalue().splitlines() if line.strip()]
    head = next(number for number, line in enumerate(lines) if line.lstrip().startswith("ncalls"))
    return "\n".join([_summary(report), "", *(_short(line).rstrip() for line in lines[head:])])


def _perf_table(file: Path, sort: str, top: int) -> list[str]:
    words = ["perf", "report", "--stdio", "--no-children", "--sort", sort, "--input", str(file)]
    words += ["--percent-limit", "0.5"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    rows = [line.rstrip() for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")]
    return [re.sub(r"(\s+-)+$", "", _short(row)) for row in rows[:top]]


def by_sample(server: Server, work: Work, seconds: float, top: int) -> str:
    """Sample the hub with perf while it works; returns its shares by library and by symbol."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "perf.data"
        with running(server.command, cores()[0]) as (port, pid):
            words = ["perf", "record", "--freq", "999", "--event", "cpu-clock", "--pid", str(pid)]
            sampler = subprocess.Popen(
                [*words, "--output", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            try:
                report = _load(server, work, port, pid, seconds)
            finally:
                sampler.terminate()
                _, said = sampler.communicate(timeout=30)
        if not file.exists():
            raise BenchError(f"perf: {said.strip()}")
        libraries = _perf_table(file, "dso", 12)
        symbols = _perf_table(file, "dso,symbol", top)
    return "\n".join([_summary(report), "", "by library", *libraries, "", "by symbol", *symbols])


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    keys = ",".join(work.key for work in THROUGHPUT)
    parser.add_argument("--work", default=DEFAULT_WORK, help=f"of {keys} (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each (default %(default)s)")
    parser.add_argument("--top", type=int, default=25, help="lines of each table (default %(default)s)")
    parser.add_argument("--look", choices=("both", "cprofile", "perf"), default="both")
    parser.add_argument("--hub", type=Path, default=Path(sys.executable).parent / "hubbub")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Print the profiles as Markdown."""
    options = parse(sys.argv[1:] if words is None else words)
    hub = all_servers(options.hub)[0]
    wanted = options.work.split(",")
    looks = {"cprofile": ("functions (cProfile)", by_function), "perf": ("samples (perf)", by_sample)}
    if options.look != "both":
        looks = {options.look: looks[options.look]}
    if "perf" in looks and shutil.which("perf") is None:
        print("perf is not there: only Python's functions are shown", file=sys.stderr)
        del looks["perf"]
    try:
        build_programs()
        for work in (work for work in THROUGHPUT if work.key in wanted):
            for name, look in looks.values():
                text = look(hub, work, options.seconds, options.top)
                summary, _, table = text.partition("\n\n")
                print(f"## {work.title}: {name}\n\n{summary}\n\n```text\n{table}\n```\n", flush=True)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
