"""Redis and Kafka for a measurement: on one core, without anything on disk that need not be."""

import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import warming
from bench.process import ROOT, free_port, running, scratch

KAFKA = ROOT / ".cache/kafka"
"""Where `make servers` puts Kafka's artifacts."""

_KAFKA_SECONDS = 60.0
_KAFKA_JVM = (
    *("-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:MaxInlineLevel=15"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"),
)
"""What Kafka's own `kafka-server-start.sh` says."""

_KAFKA_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={place}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
"""


def hinders_redis() -> str | None:
    """Why there can be no Redis here, or None."""
    return None if shutil.which("redis-server") else "redis-server is missing (`make servers`)"


def hinders_kafka() -> str | None:
    """Why there can be no Kafka here, or None."""
    if not any(KAFKA.glob("kafka_2.13-*.jar")):
        return "Apache Kafka is missing (`make servers` fetches it with Maven)"
    return None if shutil.which("java") else "java is missing"


@contextmanager
def redis(core: int) -> Iterator[tuple[int, int]]:
    """Run a Redis without persistence; yields its port and process id."""
    command = ("redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with running(command, core) as (port, pid):
        yield port, pid


@contextmanager
def kafka(core: int) -> Iterator[tuple[int, int]]:
    """Run one broker that is its own controller, and warm it up; yields its port and process id."""
    program = ("java", *_KAFKA_JVM, "-cp", f"{KAFKA}/*")
    port = free_port()
    with scratch() as place:
        settings = place / "server.properties"
        settings.write_text(_KAFKA_SETTINGS.format(port=port, controller=free_port(), place=place))
        _format(program, settings)
        command = (*program, "kafka.Kafka", str(settings))
        with running(command, core, port=port, patience=_KAFKA_SECONDS) as (_, pid):
            warming.warm(port, pid)
            yield port, pid


def _format(program: tuple[str, ...], settings: Path) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    words = [*program, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)]
    subprocess.run(words, check=True, capture_output=True, timeout=_KAFKA_SECONDS)
