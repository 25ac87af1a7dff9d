"""Apache Kafka itself: one process that is broker and controller (KRaft)."""

import base64
import os
import subprocess
import uuid
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.servers.ports import free_port
from tests.servers.processes import Server, require

LIBRARIES = Path(__file__).parents[2] / ".cache/kafka"
"""Where `make servers` puts Kafka's artifacts."""

_READY_SECONDS = 60.0
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"

_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=NEAR://127.0.0.1:{near},FAR://127.0.0.1:{behind},SHUT://127.0.0.1:{shut},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=NEAR://127.0.0.1:{near},FAR://127.0.0.1:{far},SHUT://127.0.0.1:{shut}
inter.broker.listener.name=NEAR
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,NEAR:PLAINTEXT,FAR:PLAINTEXT,SHUT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.shut.plain.sasl.jaas.config={login} required user_ann="secret";
# One that was killed is to come back soon, though it could not say goodbye.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=300
controller.quorum.fetch.timeout.ms=600
log.dirs={place}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
file.delete.delay.ms=1000
num.network.threads=2
num.io.threads=2
"""


class KafkaServer(Server):
    """One broker with its data in a folder. Clients that begin at `far` are sent there again, not to `behind`.

    At `shut` nobody but ann with the password `secret` gets in.
    """

    def __init__(self, place: Path) -> None:
        java = require("java")
        if not any(LIBRARIES.glob("kafka_2.13-*.jar")):
            reason = "Apache Kafka is missing (`make servers` fetches it with Maven)"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        options = ["-Xmx320m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        program = [java, *options, "-cp", f"{LIBRARIES}/*"]
        settings = place / "server.properties"
        super().__init__(place, [*program, "kafka.Kafka", str(settings)])
        self.near, self.far, self.behind, self.shut = (free_port() for _ in range(4))
        settings.write_text(
            _SETTINGS.format(
                near=self.near,
                far=self.far,
                behind=self.behind,
                shut=self.shut,
                controller=free_port(),
                place=place,
                login=_LOGIN,
            )
        )
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        formatting = [*program, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)]
        subprocess.run(formatting, check=True, capture_output=True, timeout=_READY_SECONDS)

    def start(self, *more: str) -> None:
        """Returns when it answers."""
        super().start(*more)
        self._admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self.near}", "log_level": 0})
        self.wait_until(self.answers, _READY_SECONDS)

    def answers(self) -> bool:
        try:
            return bool(self._admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False
