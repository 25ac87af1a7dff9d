"""Editing under faults, and the bugs that this must find."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.collab.editing import Editing
from tests.collab.mutants import MUTANTS, Plant

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


@pytest.mark.slow
@pytest.mark.parametrize("plant", MUTANTS)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    # Where texts differ an operation may leave half of a surrogate pair, which no text has.
    with pytest.raises((AssertionError, TimeoutError, BaseExceptionGroup, UnicodeDecodeError)):
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
