from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from hubbub.backends.kafka.topic import Missing, NotYet, Topic, answer


def test_a_log_has_its_place_for_ever() -> None:
    """These numbers stand in the topics that are out there."""
    topic = Topic("t", 16, "e")
    assert [topic.partition_of(name) for name in ("all", "room:lobby", "user:ann", "é")] == [13, 5, 9, 14]
    counts = [0] * 16
    for number in range(1600):
        counts[topic.partition_of(f"room:{number}")] += 1
    assert min(counts) > 50


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
