import asyncio
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from hubbub.backends.kafka.marks import Mark, Marks


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


async def test_it_is_known_whether_kafka_answers() -> None:
    admin = Asked()
    marks = Marks(admin, "t", 0.0)  # type: ignore[arg-type]
    for code in (KafkaError._TIMED_OUT, KafkaError.NOT_LEADER_FOR_PARTITION):
        asking = asyncio.create_task(marks.ask(1))
        while not admin._open:
            await asyncio.sleep(0)
        failed, admin._open = admin._open, []
        for future in failed:
            future.set_exception(KafkaException(KafkaError(code)))
        with pytest.raises(OSError):
            await asking
        assert marks.is_away
    asking = asyncio.create_task(marks.ask(1))
    while not admin._open:
        await asyncio.sleep(0)
    admin.answer(3)
    assert await asking == Mark(3, 3)
    assert not marks.is_away
