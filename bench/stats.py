"""From rounds to medians, and from medians to the targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.load import IdleMeasurement, Measurement
from bench.trials import TRIALS
from bench.workloads import IDLE, THROUGHPUT


@dataclass(frozen=True)
class Spread:
    """A median and the extremes around it."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread | None:
    """Sum up the rounds that there are."""
    if not values:
        return None
    return Spread(median(values), min(values), max(values), len(values))


@dataclass
class Results:
    """All measurements: by work and server, one place a round, None where it failed."""

    rounds: dict[tuple[str, str], list[Measurement | None]]
    idle: dict[str, list[IdleMeasurement]]
    failures: list[str]
    trials: dict[str, list[Mapping[str, float] | None]] = field(default_factory=dict)

    def figure(self, trial: str, key: str) -> Spread | None:
        """One figure of a trial; None where no round has it."""
        return spread([one[key] for one in self.trials.get(trial, []) if one and key in one])

    def throughput(self, work: str, server: str) -> Spread | None:
        """Deliveries a second."""
        done = self.rounds.get((work, server), [])
        return spread([one.deliveries_per_s for one in done if one])

    def typical(self, work: str, server: str) -> Measurement | None:
        """Return the round nearest to the median, for its latency and CPU."""
        done = [one for one in self.rounds.get((work, server), []) if one]
        return sorted(done, key=lambda one: one.deliveries_per_s)[(len(done) - 1) // 2] if done else None

    def ratio(self, work: str, server: str, other: str) -> Spread | None:
        """Compare within each round, so that what slows the machine for a while slows both."""
        mine, theirs = self.rounds.get((work, server), []), self.rounds.get((work, other), [])
        pairs = zip(mine, theirs, strict=False)
        return spread([a.deliveries_per_s / b.deliveries_per_s for a, b in pairs if a and b])

    def idle_kb(self, server: str) -> Spread | None:
        """Resident memory an idle connection."""
        return spread([one.kb_per_connection for one in self.idle.get(server, [])])


@dataclass(frozen=True)
class Target:
    """At least so many times another server's throughput."""

    work: str
    other: str
    factor: float


TARGETS = (
    Target("topic-8", "websockets", 8),
    Target("topic-8", "socketio", 25),
    Target("topic-8", "socketify-same", 1),
    Target("topic-1", "cloop", 0.7),
    Target("rooms-2", "ws-same", 1),
    Target("rooms-2", "socketio", 8),
)
IDLE_TARGET_KB = 12.0


@dataclass(frozen=True)
class Verdict:
    """One line of the table of targets."""

    work: str
    title: str
    wanted: str
    measured: Spread | None
    unit: str
    met: bool | None


def verdicts(results: Results, titles: dict[str, str]) -> list[Verdict]:
    """Judge the hub by what was measured; None where nothing was."""
    lines = []
    works = {work.key: work.title for work in THROUGHPUT}
    for target in TARGETS:
        ratio = results.ratio(target.work, "hub", target.other)
        met = ratio.median >= target.factor if ratio else None
        wanted = f"≥ {target.factor:g} × {titles[target.other]}"
        lines.append(Verdict(target.work, works[target.work], wanted, ratio, "×", met))
    idle = results.idle_kb("hub")
    met = idle.median <= IDLE_TARGET_KB if idle else None
    lines.append(Verdict("idle", IDLE.title, f"≤ {IDLE_TARGET_KB:g} kB a connection", idle, "kB", met))
    return lines + _trial_verdicts(results)


def _trial_verdicts(results: Results) -> list[Verdict]:
    lines = []
    for trial in TRIALS:
        for figure in trial.figures:
            if figure.wanted:
                value = results.figure(trial.key, figure.key)
                met = figure.is_met(value.median) if value else None
                lines.append(Verdict(trial.key, trial.title, figure.wanted, value, figure.unit, met))
    return lines
