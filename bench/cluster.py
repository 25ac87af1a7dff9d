"""Several nodes: what a second one and what stands between them cost."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.brokers import kafka, redis
from bench.load import check, generate_to_all
from bench.process import children_of, cores, running
from bench.servers import Frames, bare_frames, hub_command, hub_frames, socketio_frames
from bench.trial import Bars, Figure, Setting, Trial
from bench.workloads import THROUGHPUT, Work

ROOM = Work("cluster-room", "one room of 1,000, 8 in flight", 1000, 1, 8, "room")
ROOMS = replace(next(work for work in THROUGHPUT if work.key == "rooms-10"), key="cluster-rooms")
TOPIC = next(work for work in THROUGHPUT if work.key == "topic-8")

Broker = Callable[[int], AbstractContextManager[tuple[int, int]]]
Command = Callable[[Path, int, str], Sequence[str]]
"""Of the hub's program, the broker's port and the node's name."""


@dataclass(frozen=True)
class Run:
    """What one system did, and the CPU seconds a second of all its processes together."""

    published_per_s: float
    deliveries_per_s: float
    p99_ms: float
    cpu: float

    @property
    def published_per_cpu_s(self) -> float:
        return self.published_per_s / self.cpu

    @property
    def deliveries_per_cpu_s(self) -> float:
        return self.deliveries_per_s / self.cpu


def _measure(frames: Frames, work: Work, setting: Setting, ports: Sequence[int], pids: Sequence[int]) -> Run:
    more = ("--window", str(work.window), "--seconds", str(setting.seconds), "--warm", str(setting.warm))
    report = generate_to_all(frames, work, ports, pids, *more)
    check(report, frames)
    return Run(
        report["published_per_s"],
        report["deliveries_per_s"],
        report["p99_ms"],
        report["server_user_cpu"] + report["server_kernel_cpu"],
    )


def _two(broker: Broker, command: Command, frames: Frames, work: Work, setting: Setting) -> Run:
    """Two nodes and what joins them, all on one core, so that CPU seconds are comparable."""
    core = cores()[0]
    with ExitStack() as stack:
        between, broker_pid = stack.enter_context(broker(core))
        nodes = [stack.enter_context(running(command(setting.hub, between, name), core)) for name in ("a", "b")]
        return _measure(frames, work, setting, [port for port, _ in nodes], [broker_pid, *(pid for _, pid in nodes)])


def _node(program: Path, name: str, *more: str) -> Sequence[str]:
    settings = (f"HUBBUB_NODE={name}", "HUBBUB_ROOM_CAPACITY=1000")
    return ("env", *settings, *hub_command(program), *more)


def _on_redis(program: Path, port: int, name: str) -> Sequence[str]:
    return _node(program, name, "--backend", f"redis://127.0.0.1:{port}/0")


def _on_kafka(program: Path, port: int, name: str) -> Sequence[str]:
    return _node(program, name, "--log", f"kafka://127.0.0.1:{port}/hubbub")


def _peer(module: str) -> Command:
    return lambda _program, port, _name: (sys.executable, "-m", f"bench.peers.{module}", "{port}", str(port))


def _one(work: Work, setting: Setting) -> Run:
    with running(_node(setting.hub, "a"), cores()[0]) as (port, pid):
        return _measure(hub_frames(work), work, setting, [port], [pid])


def _workers(setting: Setting) -> Run:
    command = (*_node(setting.hub, "a"), "--workers", "2")
    with running(command, cores()[0], family=True) as (port, pid):
        return _measure(hub_frames(TOPIC), TOPIC, setting, [port], [pid, *children_of(pid)])


def _systems(setting: Setting) -> Iterator[tuple[str, Callable[[], Run]]]:
    peers: dict[str, tuple[Broker, Command, Callable[[Work], Frames]]] = {
        "redis": (redis, _on_redis, hub_frames),
        "kafka": (kafka, _on_kafka, hub_frames),
        "socketio": (redis, _peer("socketio_redis"), socketio_frames),
        "channels": (redis, _peer("channels_redis"), bare_frames),
    }
    yield "one", lambda: _one(ROOM, setting)
    yield "two", lambda: _two(redis, _on_redis, hub_frames(ROOM), ROOM, setting)
    for name, (broker, command, frames) in peers.items():
        yield name, lambda b=broker, c=command, f=frames: _two(b, c, f(ROOMS), ROOMS, setting)
    yield "single", lambda: _one(TOPIC, setting)
    yield "workers", lambda: _workers(setting)


def run(setting: Setting) -> Mapping[str, float]:
    """All of them, each round in another order."""
    systems = list(_systems(setting))
    if setting.number % 2 == 0:
        systems.reverse()
    done: dict[str, Run] = {name: measure() for name, measure in systems}
    rate: dict[str, Any] = {name: one.published_per_cpu_s for name, one in done.items()}
    return {
        "room_one_per_s": done["one"].deliveries_per_s,
        "room_two_per_s": done["two"].deliveries_per_s,
        "room_one_p99_ms": done["one"].p99_ms,
        "room_two_p99_ms": done["two"].p99_ms,
        **{f"{name}_rate": rate[name] for name in ("redis", "kafka", "socketio", "channels")},
        **{f"redis_to_{peer}": rate["redis"] / rate[peer] for peer in ("socketio", "channels")},
        **{f"kafka_to_{peer}": rate["kafka"] / rate[peer] for peer in ("socketio", "channels")},
        "single_per_cpu_s": done["single"].deliveries_per_cpu_s,
        "workers_per_cpu_s": done["workers"].deliveries_per_cpu_s,
    }


_NAMES = {"socketio": "python-socketio with its Redis manager", "channels": "Channels with channels_redis"}
_LEAST = 3.0

TRIAL = Trial(
    key="cluster",
    title="two nodes, 100 rooms × 10 and one room of 1,000, half on each",
    run=run,
    figures=(
        *(
            Figure(f"{log}_to_{peer}", f"messages a CPU second on {log.title()} to {name}", "×", at_least=_LEAST)
            for log in ("redis", "kafka")
            for peer, name in _NAMES.items()
        ),
        Figure("redis_rate", "messages a CPU second of all processes, hub on Redis", ""),
        Figure("kafka_rate", "messages a CPU second of all processes, hub on Kafka", ""),
        Figure("socketio_rate", f"messages a CPU second of all processes, {_NAMES['socketio']}", ""),
        Figure("channels_rate", f"messages a CPU second of all processes, {_NAMES['channels']}", ""),
        Figure("room_one_per_s", "one room of 1,000: deliveries a second, one node", ""),
        Figure("room_two_per_s", "one room of 1,000: deliveries a second, two nodes and Redis on one core", ""),
        Figure("room_one_p99_ms", "one room of 1,000: p99 latency, one node", "ms"),
        Figure("room_two_p99_ms", "one room of 1,000: p99 latency, two nodes", "ms"),
        Figure("single_per_cpu_s", f"{TOPIC.title}: deliveries a CPU second, one process", ""),
        Figure("workers_per_cpu_s", f"{TOPIC.title}: deliveries a CPU second, two workers and their broker", ""),
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
