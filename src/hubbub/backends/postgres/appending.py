"""One transaction of appends: who is a repeat, whose condition holds, and which offsets the others get."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from hubbub.ports import Append, Appended, Refused

_WINDOW = 1024
"""Message ids of a session that are remembered."""


class _Log:
    """One log, which no other transaction changes meanwhile."""

    __slots__ = ("epoch", "head", "id")

    def __init__(self, id: int, epoch: str, head: int) -> None:
        self.id = id
        self.epoch = epoch
        self.head = head


async def append_all(
    connection: Any, items: Sequence[Append], sizes: Sequence[int], epoch: str
) -> list[Appended | Refused]:
    """Within a transaction. `sizes` are those of the batches that the items came in, `epoch` is of logs that begin."""
    logs = await _lock(connection, sorted({item.log for item in items}), epoch)
    seen = await _seen(connection, items)
    answers: list[Appended | Refused] = []
    records: list[tuple[int, int, bytes]] = []
    fresh: list[tuple[str, str, str, int]] = []
    place = 0
    for size in sizes:
        refused: set[str] = set()
        for item in items[place : place + size]:
            key = (item.session, item.message_id.lower())
            log = logs[item.log]
            first = seen.get(key) if item.session else None
            if first is not None:
                answers.append(Appended(*first, True))
                continue
            if item.expected is not None and (item.expected != log.head or item.log in refused):
                refused.add(item.log)
                answers.append(Refused("conflict", f"the log is at {log.head}"))
                continue
            log.head += 1
            records.append((log.id, log.head, item.record))
            if item.session:
                seen[key] = (log.epoch, log.head)
                fresh.append((*key, log.epoch, log.head))
            answers.append(Appended(log.epoch, log.head))
        place += size
    await _store(connection, logs.values(), records, fresh)
    return answers


async def _lock(connection: Any, names: list[str], epoch: str) -> dict[str, _Log]:
    """The logs, made if need be. In the order of their names, so that no two wait for each other."""
    query = "SELECT id, name, epoch, head FROM logs WHERE name = ANY($1) ORDER BY name FOR UPDATE"
    rows = await connection.fetch(query, names)
    if len(rows) < len(names):
        await connection.execute(
            "INSERT INTO logs (name, epoch) SELECT name, $2 FROM unnest($1::text[]) AS name ON CONFLICT DO NOTHING",
            names,
            epoch,
        )
        rows = await connection.fetch(query, names)
    return {row["name"]: _Log(row["id"], row["epoch"], row["head"]) for row in rows}


async def _seen(connection: Any, items: Sequence[Append]) -> dict[tuple[str, str], tuple[str, int]]:
    """What became of the message ids among these that were used before."""
    keys = {(item.session, item.message_id.lower()) for item in items if item.session}
    if not keys:
        return {}
    rows = await connection.fetch(
        "SELECT session, message_id, epoch, place FROM seen JOIN unnest($1::text[], $2::text[]) "
        "AS wanted (session, message_id) USING (session, message_id)",
        [session for session, _ in keys],
        [message_id for _, message_id in keys],
    )
    return {(row["session"], row["message_id"]): (row["epoch"], row["place"]) for row in rows}


async def _store(
    connection: Any,
    logs: Collection[_Log],
    records: list[tuple[int, int, bytes]],
    fresh: list[tuple[str, str, str, int]],
) -> None:
    if not records:
        return
    # Columns, not rows: so many statements as tables, however many records there are.
    await connection.execute(
        "INSERT INTO records SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])", *_columns(records)
    )
    await connection.execute(
        "UPDATE logs SET head = new.head FROM unnest($1::bigint[], $2::bigint[]) AS new (id, head) "
        "WHERE logs.id = new.id",
        [log.id for log in logs],
        [log.head for log in logs],
    )
    if fresh:
        await connection.execute(
            "INSERT INTO seen (session, message_id, epoch, place) "
            "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])",
            *_columns(fresh),
        )
        await connection.execute(
            "DELETE FROM seen WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER "
            "(PARTITION BY session ORDER BY id DESC) AS age FROM seen WHERE session = ANY($1)) AS aged WHERE age > $2)",
            list({session for session, *_ in fresh}),
            _WINDOW,
        )


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
