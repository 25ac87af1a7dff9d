"""A broker on the JVM as it is in production, where it has run for long: its code compiled, its compilers at rest."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bench.process import BenchError, roaming

TOPIC = "warming"
PARTITIONS = 4
READERS = 2

_MESSAGES = 10_000
"""Of each kind in a round: one a request, and those of some milliseconds in one."""

_VALUE = b"x" * 240
_AT_REST = 0.05
"""CPU seconds a second, of all compilers."""

_MOST_ROUNDS = 12
_PATIENCE = 60.0


def warm(port: int, pid: int) -> None:
    """Gives a broker work until it has nothing left to compile. Raises `BenchError` when that does not end."""
    servers = {"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 2}
    admin = AdminClient(servers)
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(_PATIENCE)
    # On all cores: what it compiles would take several times as long beside what it does.
    with roaming(pid), _readers(servers):
        for _ in range(_MOST_ROUNDS):
            before, began = _compiled(pid), time.monotonic()
            _produce(servers, linger_ms=0, ahead=8)
            _produce(servers, linger_ms=5, ahead=64)
            if (_compiled(pid) - before) / (time.monotonic() - began) < _AT_REST:
                return
    raise BenchError(f"Kafka still compiles its code after {_MOST_ROUNDS} rounds of {2 * _MESSAGES} messages")


def _produce(servers: Mapping[str, Any], *, linger_ms: float, ahead: int) -> None:
    """Sends messages, at most `ahead` of them not confirmed."""
    landed = []
    producer = Producer({**servers, "enable.idempotence": True, "linger.ms": linger_ms})
    deadline = time.monotonic() + _PATIENCE
    sent = 0
    while len(landed) < _MESSAGES:
        if time.monotonic() > deadline:
            raise BenchError("Kafka does not get warm")
        while sent < min(_MESSAGES, len(landed) + ahead):
            producer.produce(TOPIC, _VALUE, b"log", sent % PARTITIONS, on_delivery=lambda *_: landed.append(None))
            sent += 1
        producer.poll(0.01)


@contextmanager
def _readers(servers: Mapping[str, Any]) -> Iterator[None]:
    """As many as there are nodes, each of which reads everything."""
    stopped = threading.Event()
    threads = [threading.Thread(target=_read, args=(servers, stopped)) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _read(servers: Mapping[str, Any], stopped: threading.Event) -> None:
    consumer = Consumer({**servers, "group.id": TOPIC, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    while not stopped.is_set():
        consumer.consume(500, 0.05)
    consumer.close()


def _compiled(pid: int) -> float:
    """CPU seconds that the JVM's compilers have taken."""
    ticks = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        name, _, fields = (thread / "stat").read_text().partition("(")[2].rpartition(")")
        if "CompilerThre" in name:
            user, system = fields.split()[11:13]
            ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")
