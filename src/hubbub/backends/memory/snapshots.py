"""Snapshots of documents in memory."""

from __future__ import annotations

from collections.abc import Sequence

from hubbub.ports import SavedSnapshot, Snapshot


class MemorySnapshots:
    """Implements `Snapshots`. Nothing of it outlives the process."""

    def __init__(self) -> None:
        self._saved: dict[str, list[Snapshot]] = {}

    def save(self, document: str, snapshot: Snapshot) -> None:
        kept = self._saved.setdefault(document, [])
        kept[:] = [one for one in kept if (one.epoch, one.revision) != (snapshot.epoch, snapshot.revision)]
        kept.append(snapshot)

    def latest(self, document: str) -> Snapshot | None:
        kept = self._saved.get(document)
        return kept[-1] if kept else None

    def before(self, document: str, epoch: str, revision: int) -> Snapshot | None:
        found = [one for one in self._saved.get(document, ()) if one.epoch == epoch and one.revision <= revision]
        return max(found, key=lambda one: one.revision, default=None)

    def saved(self, document: str) -> Sequence[SavedSnapshot]:
        return [SavedSnapshot(one.epoch, one.revision, one.at) for one in self._saved.get(document, ())]

    def drop(self, document: str, epoch: str, revision: int) -> None:
        kept = self._saved.get(document, [])
        for place, one in enumerate(kept):
            if (one.epoch, one.revision) == (epoch, revision):
                del kept[:place]
                return

    def names(self) -> Sequence[str]:
        return sorted(self._saved)

    def close(self) -> None:
        """Nothing is kept."""
