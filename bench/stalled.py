"""`python -m bench.stalled`: readers that stop for a while cost the others nothing, and miss nothing.

The same as the trial `stalled` of `python -m bench.run`, whose figures it prints.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.build import build_programs
from bench.load import run_generator
from bench.process import BenchError, cores, running, scratch
from bench.servers import BINARIES, hub_command
from bench.trial import Bars, Figure, Setting, Trial

SUBSCRIBERS = 1000
STALLED = 100
STALL_SECONDS = 20.0
# The topic keeps all that is published meanwhile.
KEEP_ALL = """
[[channels]]
channel = "topic:load"
messages = 1000000
bytes = 1000000000
age = 3600.0
"""
KEPT_BY_DEFAULT = 1000
"""Messages that a log keeps unless it is told otherwise."""
PATIENCE_SECONDS = 240


def _stall(command: Sequence[str], *more: str) -> dict[str, Any]:
    """Run one stall at a fresh hub. Raises BenchError for anything that is lost, twice or wrongly named as gone."""
    with running(command, cores()[0]) as (port, pid):
        words = [str(BINARIES / "stall"), "--port", str(port), "--pid", str(pid), "--seconds", str(STALL_SECONDS)]
        report = run_generator([*words, *more], PATIENCE_SECONDS)
    wrong = [f"{report[name]} deliveries {name}" for name in ("missing", "twice") if report[name]]
    if report["wrong_gaps"]:
        wrong.append(f"{report['wrong_gaps']} gaps that are wrong, too few or too many")
    if report["acks"] != report["published"]:
        wrong.append(f"{report['acks']} acks for {report['published']} messages")
    if wrong:
        raise BenchError(f"{' '.join(more)}: {', '.join(wrong)}")
    return report


def run(setting: Setting, log: str = "sqlite") -> Mapping[str, float]:
    """Those that read alone, then beside those that stop; then the stall that is longer than the log remembers."""
    warm = ("--warm", str(max(setting.warm, 1.0)))
    awake = SUBSCRIBERS - STALLED
    sizes = {
        "alone": ("--sessions", str(awake), "--stalled", "0"),
        "beside": ("--sessions", str(SUBSCRIBERS), "--stalled", str(STALLED)),
    }
    done = {}
    for name in sorted(sizes, reverse=setting.number % 2 == 1):
        with scratch() as folder:
            config = folder / "hubbub.toml"
            config.write_text(KEEP_ALL)
            where = f"sqlite://{folder / 'hub.db'}" if log == "sqlite" else log
            command = (*hub_command(setting.hub), "--config", str(config), "--log", where)
            done[name] = _stall(command, *warm, *sizes[name])
    alone, beside = done["alone"], done["beside"]
    told = ("--gaps", "1", "--pause", "1", "--kept", str(KEPT_BY_DEFAULT))
    short = _stall(hub_command(setting.hub), *warm, *sizes["beside"], *told)
    return {
        "ratio": beside["deliveries_per_s"] / alone["deliveries_per_s"],
        "alone_per_s": alone["deliveries_per_s"],
        "beside_per_s": beside["deliveries_per_s"],
        "alone_cpu": 100 * alone["server_cpu"],
        "beside_cpu": 100 * beside["server_cpu"],
        "grown_mb": beside["rss_grown_kb"] / 1024,
        "missed": beside["missed"],
        "returned": beside["returned"],
        "catch_up_s": beside["catch_up_s"],
        "meanwhile_per_s": beside["meanwhile_per_s"],
        "gaps": short["gaps"] / STALLED,
    }


TRIAL = Trial(
    key="stalled",
    title=f"{STALLED} of {SUBSCRIBERS:,} readers stop for {STALL_SECONDS:g} s",
    run=run,
    figures=(
        Figure("ratio", "throughput of the others to that without the stalled", "×", at_least=0.9),
        Figure("alone_per_s", "deliveries a second without the stalled", ""),
        Figure("beside_per_s", "deliveries a second to the others during the stall", ""),
        Figure("alone_cpu", "CPU of the server without the stalled", "%"),
        Figure("beside_cpu", "CPU of the server during the stall", "%"),
        Figure("grown_mb", "resident memory grew by", "MiB", at_most=20),
        Figure("missed", "messages that each stalled one had not read", ""),
        Figure("returned", "stalled ones that had been cut off, and restored their session", ""),
        Figure("catch_up_s", "until all had caught up, under load", "s"),
        Figure("meanwhile_per_s", "deliveries a second to the others until then", ""),
        Figure("gaps", "gaps told to each, where the log keeps 1,000 messages", "", at_least=1, at_most=1),
    ),
    headline="ratio",
    bars=(
        Bars(
            f"{SUBSCRIBERS - STALLED} readers on SQLite",
            "thousands of deliveries a second",
            (("alone_per_s", "alone", "least"), ("beside_per_s", f"beside {STALLED} that do not read", "hub")),
            scale=1000,
        ),
    ),
    rounds=3,
)


def main(words: Sequence[str] | None = None) -> int:
    """Print the figures of each round."""
    parser = argparse.ArgumentParser(prog="python -m bench.stalled", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--log", choices=("sqlite", "memory"), default="sqlite")
    parser.add_argument("--hub", type=Path, default=Path(sys.executable).parent / "hubbub")
    given = parser.parse_args(words)
    try:
        build_programs()
        for number in range(given.rounds):
            found = run(Setting(given.hub, STALL_SECONDS, 2.0, number), given.log)
            for figure in TRIAL.figures:
                print(f"{figure.title:<62}{found[figure.key]:12,.2f} {figure.unit}")
            print(flush=True)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
