"""A recovery storm: thousands of sessions are cut at once, and all come back for what they missed."""

from collections.abc import Mapping

from bench.load import run_generator
from bench.process import BenchError, cores, running
from bench.servers import BINARIES, hub_command
from bench.trial import Bars, Figure, Setting, Trial

SESSIONS = 5000
MISSED = 100
"""Messages that each of them missed."""
LIVE = 100
LIVE_RATE = 100
"""Messages a second, each to all live connections."""


def run(setting: Setting) -> Mapping[str, float]:
    """One storm at a fresh hub with its log in memory."""
    with running(hub_command(setting.hub), cores()[0]) as (port, pid):
        words = [str(BINARIES / "storm"), "--port", str(port), "--pid", str(pid), "--seconds", str(setting.seconds)]
        words += ["--sessions", str(SESSIONS), "--missed", str(MISSED), "--live", str(LIVE), "--rate", str(LIVE_RATE)]
        report = run_generator(words)
    wrong = [f"{report[name]} deliveries {name}" for name in ("missing", "wrong", "twice") if report[name]]
    if wrong:
        raise BenchError(", ".join(wrong))
    return {
        "sessions_per_s": report["sessions_per_s"],
        "deliveries_per_s": report["deliveries_per_s"],
        "p99_before_ms": report["p99_before_ms"],
        "p99_ms": report["p99_ms"],
        "longest_ms": report["longest_ms"],
        "grown_mb": (report["rss_after_kb"] - report["rss_away_kb"]) / 1024,
        "server_cpu": 100 * report["server_cpu"],
        "load_cpu": 100 * report["load_cpu"],
    }


TRIAL = Trial(
    key="recovery",
    title=f"recovery storm, {SESSIONS:,} sessions × {MISSED} messages",
    run=run,
    figures=(
        Figure("sessions_per_s", "sessions restored a second", ""),
        Figure("deliveries_per_s", "deliveries a second", ""),
        Figure("p99_before_ms", "p99 of live traffic before", "ms"),
        Figure("p99_ms", "p99 of live traffic meanwhile", "ms"),
        Figure("longest_ms", "the longest that a live message took", "ms"),
        Figure("grown_mb", "resident memory grew by", "MiB"),
        Figure("server_cpu", "CPU of the server", "%"),
        Figure("load_cpu", "CPU of the load generator", "%"),
    ),
    headline="sessions_per_s",
    bars=(
        Bars(
            f"recovery storm: live traffic while {SESSIONS:,} sessions return",
            "p99 latency in ms (less is better)",
            (("p99_before_ms", "before", "least"), ("p99_ms", "meanwhile", "hub")),
            less_is_better=True,
        ),
    ),
)
