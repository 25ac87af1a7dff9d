"""Tests over many seeds: some of them with the unit tests, all of them with the slow ones."""

from __future__ import annotations

from typing import Any

import pytest


def seeds(most: int, *, quick: int) -> list[Any]:
    """The seeds below `most`, as values of a parameter; those from `quick` on are slow."""
    return [*range(quick), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(quick, most))]
