"""Editing under faults, and the bugs that this must find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from hubbub.collab import authority, latecomers, live
from hubbub.collab.changes import compose_all
from hubbub.ports import Appended
from tests.collab.editing import Editing

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

Editing.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=CHECKS, print_blob=True
)


class TestEditing(Editing.TestCase):  # type: ignore[name-defined,misc]
    """Some minutes of editing, in a second or so."""


@pytest.mark.slow
def test_editing_for_long() -> None:
    run_state_machine_as_test(
        Editing,
        settings=settings(max_examples=600, stateful_step_count=50, deadline=None, suppress_health_check=CHECKS),
    )


# --- Bugs that must be found ---------------------------------------------------------------------------


def map_over_composed_history(patch: pytest.MonkeyPatch) -> None:
    """One map over all of it, where there should be one for each operation."""

    def rebase(submission: Any, edits: Any, budget: int | None = None) -> None:
        if edits:
            composed = compose_all([edit.changes for edit in edits])
            submission.changes = submission.changes.map(composed, submission.client_id < edits[0].client_id)
            submission.revision = edits[-1].revision

    patch.setattr(live, "rebase", rebase)
    patch.setattr(latecomers, "rebase", rebase)


def forget_what_was_had(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(authority.Authority, "_is_repeat", lambda self, document, submission: False)


def acknowledge_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    def append(self: Any, batch: Any, flights: Any) -> None:
        self._settle([Appended(flights[0].epoch, item.expected + 1) for item in batch], flights)
        self._tasks.start(self._store.append(batch))

    patch.setattr(authority.Authority, "_append", append)


def break_ties_the_other_way(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(live, "map_over", lambda changes, id, other, other_id: changes.map(other, id > other_id))


@pytest.mark.slow
@pytest.mark.parametrize(
    "plant",
    [map_over_composed_history, forget_what_was_had, acknowledge_before_it_is_durable, break_ties_the_other_way],
)
def test_a_planted_bug_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, TimeoutError, BaseExceptionGroup)):
        run_state_machine_as_test(
            Editing,
            settings=settings(
                max_examples=400,
                stateful_step_count=30,
                deadline=None,
                phases=[Phase.generate],
                derandomize=True,
                database=None,
                suppress_health_check=CHECKS,
                report_multiple_bugs=False,
            ),
        )
