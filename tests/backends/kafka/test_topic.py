import asyncio
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from hubbub.backends.kafka.marks import Mark, Marks
from hubbub.backends.kafka.opening import open_backend
from hubbub.backends.kafka.partition import Partition
from hubbub.backends.kafka.topic import Missing, NotYet, Topic, answer
from hubbub.config import ChannelSettings, Settings
from hubbub.delivery.retention import RetentionPolicy
from hubbub.errors import ConfigurationError


def test_a_log_has_its_place_for_ever() -> None:
    """These numbers stand in the topics that are out there."""
    topic = Topic("t", 16, "e")
    assert [topic.partition_of(name) for name in ("all", "room:lobby", "user:ann", "é")] == [13, 5, 9, 14]
    counts = [0] * 16
    for number in range(1600):
        counts[topic.partition_of(f"room:{number}")] += 1
    assert min(counts) > 50


def test_a_rule_that_kafka_cannot_keep_is_refused_by_name() -> None:
    settings = Settings(log="kafka://a", channels=(ChannelSettings("topic:x", overrun="conflate", key="payload.k"),))
    with pytest.raises(ConfigurationError, match="topic:x: logs on Kafka do not conflate") as raised:
        open_backend("kafka://a", "log", settings, retention=RetentionPolicy())
    assert raised.value.setting == "channels.overrun"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Missing),
        (KafkaError.NOT_LEADER_FOR_PARTITION, NotYet),
        (KafkaError.TOPIC_ALREADY_EXISTS, FileExistsError),
        (KafkaError._TIMED_OUT, ConnectionError),
    ],
)
async def test_what_went_wrong_is_an_error_of_the_system(code: int, error: type[OSError]) -> None:
    future: Future[None] = Future()
    future.set_exception(KafkaException(KafkaError(code)))
    with pytest.raises(error):
        await answer(future)


class Asked:
    """Stands for the admin client, where what is asked when is the point; answers when it is told to."""

    def __init__(self) -> None:
        self.questions: list[list[int]] = []
        self._open: list[Future[Any]] = []

    def list_offsets(self, places: dict[Any, Any], **_: Any) -> dict[Any, Future[Any]]:
        self.questions.append(sorted(place.partition for place in places))
        futures = {place: Future[Any]() for place in places}
        self._open += futures.values()
        return futures

    def answer(self, offset: int) -> None:
        answered, self._open = self._open, []
        for future in answered:
            future.set_result(type("Result", (), {"offset": offset}))


async def test_what_is_asked_meanwhile_is_asked_in_one_question() -> None:
    admin = Asked()
    marks = Marks(admin, "t", 1.0)  # type: ignore[arg-type]
    tasks = [asyncio.create_task(marks.ask(1))]
    while len(admin.questions) < 2:
        await asyncio.sleep(0)
    tasks += [asyncio.create_task(marks.ask(number)) for number in (2, 1, 2)]
    await asyncio.sleep(0)
    admin.answer(5)
    assert await tasks[0] == Mark(5, 5)
    while len(admin.questions) < 4:
        await asyncio.sleep(0)
    admin.answer(7)
    assert await asyncio.gather(*tasks[1:]) == [Mark(7, 7)] * 3, "an answer is not older than its question"
    assert admin.questions == [[1], [1], [1, 2], [1, 2]]


async def test_who_waits_for_a_partition_is_told_when_it_is_given_up() -> None:
    partition = Partition(3, 0.0)
    first, second = (asyncio.create_task(partition.reach(offset)) for offset in (5, 9))
    await asyncio.sleep(0)
    partition.advance(6)
    await first
    partition.give_up(ConnectionError("gone"))
    for waiting in (second, partition.reach(7), partition.opened):
        with pytest.raises(ConnectionError, match="gone"):
            await waiting
    with pytest.raises(ConnectionError, match="gone"):
        await partition.reach(1)
