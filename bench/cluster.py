"""Several nodes: what a second one and what stands between them cost."""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench.brokers import hinders_kafka, hinders_redis, kafka, redis
from bench.load import check, generate_to_all
from bench.process import BenchError, children_of, cores, roaming, running
from bench.servers import Frames, bare_frames, hub_command, hub_frames, socketio_frames
from bench.trial import Bars, Figure, PartlyFailed, Setting, Trial
from bench.workloads import THROUGHPUT, Work

ROOM = Work("cluster-room", "one room of 1,000, 8 in flight", 1000, 1, 8, "room")
ROOMS = replace(next(work for work in THROUGHPUT if work.key == "rooms-10"), key="cluster-rooms")
TOPIC = next(work for work in THROUGHPUT if work.key == "topic-8")

_REHEARSAL = 6.0
"""Seconds in which the JVM compiles what this work needs and `warming` did not."""

Broker = Callable[[int], AbstractContextManager[tuple[int, int]]]
Command = Callable[[Path, int, str], Sequence[str]]
"""Of the hub's program, the broker's port and the node's name."""


@dataclass(frozen=True)
class Run:
    """What one system did, and the CPU seconds a second of all its processes together."""

    published_per_s: float
    deliveries_per_s: float
    p50_ms: float
    p99_ms: float
    cpu: float
    first_cpu: float
    """That of the first process: what joins the nodes, where there is something."""

    @property
    def published_per_cpu_s(self) -> float:
        return self.published_per_s / self.cpu

    @property
    def deliveries_per_cpu_s(self) -> float:
        return self.deliveries_per_s / self.cpu


@dataclass(frozen=True)
class System:
    """What is measured, and why it cannot be here, if it cannot."""

    title: str
    measure: Callable[[Setting], Run]
    hindered: Callable[[], str | None] = lambda: None


def _measure(frames: Frames, work: Work, setting: Setting, ports: Sequence[int], pids: Sequence[int]) -> Run:
    more = ("--window", str(work.window), "--seconds", str(setting.seconds), "--warm", str(setting.warm))
    report = generate_to_all(frames, work, ports, pids, *more)
    check(report, frames)
    return Run(
        published_per_s=report["published_per_s"],
        deliveries_per_s=report["deliveries_per_s"],
        p50_ms=report["p50_ms"],
        p99_ms=report["p99_ms"],
        cpu=report["server_user_cpu"] + report["server_kernel_cpu"],
        first_cpu=report["first_cpu"],
    )


def _two(
    broker: Broker, command: Command, frames: Callable[[Work], Frames], work: Work, *, rehearsal: float = 0.0
) -> Callable[[Setting], Run]:
    """Two nodes and what joins them, all on one core, so that CPU seconds are comparable.

    For `rehearsal` seconds they do it before without being measured, with the broker on all cores.
    """

    def measure(setting: Setting) -> Run:
        core = cores()[0]
        with ExitStack() as stack:
            between, pid = stack.enter_context(broker(core))
            nodes = [stack.enter_context(running(command(setting.hub, between, name), core)) for name in ("a", "b")]
            ports, pids = [port for port, _ in nodes], [pid, *(one for _, one in nodes)]
            if rehearsal:
                with roaming(pid):
                    _measure(frames(work), work, replace(setting, seconds=rehearsal), ports, pids)
            return _measure(frames(work), work, setting, ports, pids)

    return measure


def _node(program: Path, name: str, *more: str) -> Sequence[str]:
    settings = (f"HUBBUB_NODE={name}", "HUBBUB_ROOM_CAPACITY=1000")
    return ("env", *settings, *hub_command(program), *more)


def _on_redis(program: Path, port: int, name: str) -> Sequence[str]:
    return _node(program, name, "--backend", f"redis://127.0.0.1:{port}/0")


def _on_kafka(program: Path, port: int, name: str) -> Sequence[str]:
    return _node(program, name, "--log", f"kafka://127.0.0.1:{port}/hubbub")


def _peer(module: str) -> Command:
    return lambda _program, port, _name: (sys.executable, "-m", f"bench.peers.{module}", "{port}", str(port))


def _hinders_peer(*packages: str) -> Callable[[], str | None]:
    def hindered() -> str | None:
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        return f"not installed: {', '.join(missing)}" if missing else hinders_redis()

    return hindered


def _one(work: Work) -> Callable[[Setting], Run]:
    def measure(setting: Setting) -> Run:
        with running(_node(setting.hub, "a"), cores()[0]) as (port, pid):
            return _measure(hub_frames(work), work, setting, [port], [pid])

    return measure


def _workers(setting: Setting) -> Run:
    command = (*_node(setting.hub, "a"), "--workers", "2")
    with running(command, cores()[0], family=True) as (port, pid):
        return _measure(hub_frames(TOPIC), TOPIC, setting, [port], [pid, *children_of(pid)])


SYSTEMS: Mapping[str, System] = {
    "one": System("one node", _one(ROOM)),
    "two": System("two nodes on Redis", _two(redis, _on_redis, hub_frames, ROOM), hinders_redis),
    "redis": System("two nodes on Redis, 100 rooms × 10", _two(redis, _on_redis, hub_frames, ROOMS), hinders_redis),
    "kafka": System(
        "two nodes on Kafka, 100 rooms × 10",
        _two(kafka, _on_kafka, hub_frames, ROOMS, rehearsal=_REHEARSAL),
        hinders_kafka,
    ),
    "socketio": System(
        "python-socketio with its Redis manager",
        _two(redis, _peer("socketio_redis"), socketio_frames, ROOMS),
        _hinders_peer("socketio", "redis", "uvicorn", "uvloop", "httptools"),
    ),
    "channels": System(
        "Channels with channels_redis",
        _two(redis, _peer("channels_redis"), bare_frames, ROOMS),
        _hinders_peer("channels", "channels_redis", "uvicorn", "uvloop", "httptools"),
    ),
    "single": System("one process", _one(TOPIC)),
    "workers": System("two workers and their broker", _workers),
}


def left_out() -> Mapping[str, str]:
    """What cannot be measured here, by title, and why."""
    hindered = {system.title: system.hindered() for system in SYSTEMS.values()}
    return {title: reason for title, reason in hindered.items() if reason}


def run(setting: Setting) -> Mapping[str, float]:
    """All that can be measured, each round in another order: the figures, without those of what is left out."""
    names = [name for name, system in SYSTEMS.items() if not system.hindered()]
    if setting.number % 2 == 0:
        names.reverse()
    done: dict[str, Run] = {}
    failures = []
    for name in names:
        try:
            done[name] = SYSTEMS[name].measure(setting)
        except BenchError as error:
            failures.append(f"{SYSTEMS[name].title}: {error}")
    found = _figures(done)
    if failures:
        raise PartlyFailed(found, "; ".join(failures))
    return found


def _figures(done: Mapping[str, Run]) -> dict[str, float]:
    found: dict[str, float] = {}

    def compare(key: str, mine: str, theirs: str, value: Callable[[Run], float]) -> None:
        if mine in done and theirs in done:
            found[key] = value(done[mine]) / value(done[theirs])

    for name in done.keys() & {"one", "two"}:
        found |= {f"room_{name}_per_s": done[name].deliveries_per_s, f"room_{name}_p99_ms": done[name].p99_ms}
    compare("room_two_to_one", "two", "one", lambda run: run.deliveries_per_s)
    for name in done.keys() & {"redis", "kafka", "socketio", "channels"}:
        found[f"{name}_rate"] = done[name].published_per_cpu_s
        found[f"{name}_p50_ms"] = done[name].p50_ms
        found[f"{name}_share"] = 100 * done[name].first_cpu / done[name].cpu
    for log in ("redis", "kafka"):
        for peer in ("socketio", "channels"):
            compare(f"{log}_to_{peer}", log, peer, lambda run: run.published_per_cpu_s)
    for name in done.keys() & {"single", "workers"}:
        found[f"{name}_per_cpu_s"] = done[name].deliveries_per_cpu_s
    compare("workers_to_single", "workers", "single", lambda run: run.deliveries_per_cpu_s)
    return found


_PEERS = {"socketio": "python-socketio, Redis manager", "channels": "Channels, channels_redis"}
_LEAST = 3.0
_RATE = "100 rooms × 10: messages a CPU second of all processes"
_ROOM = "one room of 1,000"

TRIAL = Trial(
    key="cluster",
    title="two nodes, half of each room on each",
    run=run,
    section="Several nodes",
    left_out=left_out,
    figures=(
        *(
            Figure(f"{log}_to_{peer}", f"messages a CPU second on {log.title()} to {name}", "×", at_least=_LEAST)
            for log in ("redis", "kafka")
            for peer, name in _PEERS.items()
        ),
        Figure("redis_rate", f"{_RATE}, hub on Redis", ""),
        Figure("kafka_rate", f"{_RATE}, hub on Kafka", ""),
        *(Figure(f"{peer}_rate", f"{_RATE}, {name}", "") for peer, name in _PEERS.items()),
        Figure("redis_share", "of which Redis took, hub on Redis", "%"),
        Figure("kafka_share", "of which Kafka's broker took, hub on Kafka", "%"),
        Figure("redis_p50_ms", "100 rooms × 10: p50 latency, hub on Redis", "ms"),
        Figure("kafka_p50_ms", "100 rooms × 10: p50 latency, hub on Kafka", "ms"),
        *(Figure(f"{peer}_p50_ms", f"100 rooms × 10: p50 latency, {name}", "ms") for peer, name in _PEERS.items()),
        Figure("room_one_per_s", f"{_ROOM}: deliveries a second, one node", ""),
        Figure("room_two_per_s", f"{_ROOM}: deliveries a second, two nodes and Redis on one core", ""),
        Figure("room_two_to_one", f"{_ROOM}: two nodes and Redis to one node, on one core", "×"),
        Figure("room_one_p99_ms", f"{_ROOM}: p99 latency, one node", "ms"),
        Figure("room_two_p99_ms", f"{_ROOM}: p99 latency, two nodes", "ms"),
        Figure("single_per_cpu_s", f"{TOPIC.title}: deliveries a CPU second, one process", ""),
        Figure("workers_per_cpu_s", f"{TOPIC.title}: deliveries a CPU second, two workers and their broker", ""),
        Figure("workers_to_single", f"{TOPIC.title}: two workers and their broker to one process, a CPU second", "×"),
    ),
    headline="redis_to_socketio",
    bars=(
        Bars(
            "two nodes, 100 rooms × 10",
            "messages a CPU second of all processes",
            (
                ("redis_rate", "hub on Redis", "hub"),
                ("kafka_rate", "hub on Kafka", "hub"),
                ("socketio_rate", "python-socketio, Redis", "least"),
                ("channels_rate", "Channels, Redis", "least"),
            ),
        ),
    ),
)
