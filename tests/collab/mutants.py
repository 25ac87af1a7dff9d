"""Bugs of the documents' authority, to be planted where something must find them."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

import pytest

from hubbub.collab import authority, latecomers, live
from hubbub.collab.changes import compose_all
from hubbub.ports import Appended

Plant = Callable[[pytest.MonkeyPatch], None]


def map_over_composed_history(patch: pytest.MonkeyPatch) -> None:
    """One map over all of it, where there should be one for each operation."""

    def rebase(submission: Any, edits: Any, budget: int | None = None) -> None:
        if edits:
            composed = compose_all([edit.changes for edit in edits])
            changes = submission.changes.map(composed, submission.client_id < edits[0].client_id)
            submission.move(changes, edits[-1].revision)

    patch.setattr(live, "rebase", rebase)
    patch.setattr(latecomers, "rebase", rebase)


def forget_what_was_had(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(authority.Authority, "_is_repeat", lambda self, document, submission, author: False)


def acknowledge_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    def append(self: Any, batch: Any, flights: Any) -> None:
        results = self._store.append(batch)
        if isawaitable(results):
            self._tasks.start(results)
            results = [Appended(flights[0].epoch, item.expected + 1) for item in batch]
        self._settle(results, flights)

    patch.setattr(authority.Authority, "_append", append)


def break_ties_the_other_way(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(live, "map_over", lambda changes, id, other, other_id: changes.map(other, id > other_id))


MUTANTS: list[Plant] = [
    map_over_composed_history,
    forget_what_was_had,
    acknowledge_before_it_is_durable,
    break_ties_the_other_way,
]
