"""`@app.batch`."""

import asyncio
from pathlib import Path

import pytest

import hubbub
from tests.sockets import serving, ws


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_what_clients_publish_is_processed_in_batches_to_the_last_at_the_stop(store: str, tmp_path: Path) -> None:
    app = hubbub.Hubbub(port=0, anonymous=True, log=store if store == "memory" else f"sqlite://{tmp_path}/log.db")
    batches: list[list[str]] = []

    @app.batch("topic:orders.**", size=5, wait=60)
    async def keep(messages: list[hubbub.Message]) -> None:
        batches.append([message.payload.content for message in messages])

    async with asyncio.timeout(20), serving(app), hubbub.connect(ws(app), user="ann") as ann:
        for number in range(12):
            await ann.publish("topic:orders.new", str(number))
    assert batches == [["0", "1", "2", "3", "4"], ["5", "6", "7", "8", "9"], ["10", "11"]]


async def test_a_start_that_fails_leaves_nothing_running() -> None:
    async with serving() as other:
        app = hubbub.Hubbub(port=other.server.port, anonymous=True)
        app.batch("topic:orders.**")(print)
        before = len(asyncio.all_tasks())
        with pytest.raises(hubbub.ConfigurationError):
            await app.start()
        assert len(asyncio.all_tasks()) == before


def test_a_wrong_option_is_refused_where_it_stands() -> None:
    app = hubbub.Hubbub(anonymous=True)
    with pytest.raises(hubbub.ConfigurationError) as raised:
        app.batch("topic:orders.**", size=0)(print)
    assert raised.value.setting == "size"
