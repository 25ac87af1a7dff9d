"""What every `Log` and every `SharedLog` promises, on a real Kafka."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hubbub.backends.kafka.log import KafkaLog
from hubbub.testing.log_contract import LogContract
from hubbub.testing.shared_log_contract import SharedLogContract
from tests.backends.kafka.nodes import Nodes

pytestmark = pytest.mark.slow


class OnKafka:
    """Each test has a topic of its own."""

    @pytest.fixture(autouse=True)
    def _place(self, nodes: Nodes) -> None:
        self.nodes = nodes


class TestKafkaLog(OnKafka, LogContract):
    """What it keeps is the topic's to say: by time and bytes of a partition, not by records of a log."""

    async def make_log(self) -> KafkaLog:
        return await self.nodes.make()


class TestSharedKafkaLog(OnKafka, SharedLogContract):
    """What it follows cannot be broken off: it goes on where it was."""

    async def make_logs(self, count: int) -> Sequence[KafkaLog]:
        return [await self.nodes.make() for _ in range(count)]
