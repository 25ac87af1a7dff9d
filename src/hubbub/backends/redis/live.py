"""What is published when records were appended, as `lua/log.lua` writes it.

    1:EPOCH:OFFSET:SIZE,SIZE,...\\n RECORD RECORD ...

The records of one append to a log, with the offset of the first; the sizes are in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence


def parse_live(data: bytes) -> tuple[str, Sequence[tuple[int, bytes]]]:
    """The epoch and the (offset, record) entries. Raises `ValueError` for what is not of this form."""
    head, _, body = data.partition(b"\n")
    version, epoch, offset, sizes = head.split(b":")
    if version != b"1":
        raise ValueError(f"version {version!r}")
    first = int(offset)
    if b"," not in sizes:
        if len(body) != int(sizes):
            raise ValueError("a record in part")
        return epoch.decode(), ((first, body),)
    entries = []
    start = 0
    for number, size in enumerate(sizes.split(b",")):
        end = start + int(size)
        entries.append((first + number, body[start:end]))
        start = end
    if start != len(body):
        raise ValueError("records in part")
    return epoch.decode(), entries
