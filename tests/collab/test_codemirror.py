"""The algebra beside `@codemirror/state` itself, in node, on random cases."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbub.collab.changes import ChangeSet
from tests.collab.cases import ALPHABET, LONE, random_changes, random_text, units

ROOT = Path(__file__).parents[2]
BATCH = 1000


class Oracle:
    """One node process for all batches."""

    def __init__(self) -> None:
        self._node = subprocess.Popen(
            ["node", str(Path(__file__).with_name("codemirror.mjs"))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __call__(self, cases: list[Any]) -> list[Any]:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps(cases).encode() + b"\n")
        self._node.stdin.flush()
        answers: list[Any] = json.loads(self._node.stdout.readline())
        return answers

    def close(self) -> None:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.close()
        self._node.wait(10)
        self._node.stdout.close()


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    if shutil.which("node") is None or not (ROOT / "node_modules/@codemirror/state").exists():
        pytest.skip("node and @codemirror/state are needed: make setup")
    oracle = Oracle()
    yield oracle
    oracle.close()


def make_case(rng: random.Random) -> tuple[Any, Any]:
    """A case for the oracle, and what is expected of it."""
    alphabet = ALPHABET + LONE if rng.random() < 0.3 else ALPHABET
    text = random_text(rng, 12, alphabet)
    a = random_changes(rng, units(text), alphabet)
    kind = rng.choice(["apply", "invert", "compose", "map", "map", "map", "position", "json"])
    # Halves that come to stand side by side are one character to Python's JSON, as they are to JavaScript.
    if kind == "apply":
        return ["apply", [a.to_json(), text]], a.apply(text)
    if kind == "invert":
        return ["invert", [a.to_json(), text]], a.invert(text).to_json()
    if kind == "compose":
        b = random_changes(rng, a.new_length, alphabet)
        return ["compose", [a.to_json(), b.to_json()]], a.compose(b).to_json()
    if kind == "map":
        b, before = random_changes(rng, units(text), alphabet), rng.random() < 0.5
        return ["map", [a.to_json(), b.to_json(), before]], a.map(b, before).to_json()
    if kind == "position":
        position, assoc = rng.randint(0, units(text)), rng.choice([-1, 1])
        return ["position", [a.to_json(), position, assoc]], a.map_position(position, assoc)
    return ["json", [a.to_json()]], a.to_json()


def compare(oracle: Oracle, seed: int, count: int) -> None:
    rng = random.Random(seed)
    for start in range(0, count, BATCH):
        cases = [make_case(rng) for _ in range(min(BATCH, count - start))]
        for (case, expected), found in zip(cases, oracle([case for case, _ in cases]), strict=True):
            assert found == json.loads(json.dumps(expected)), case


def test_thousands_of_cases_come_to_the_same(oracle: Oracle) -> None:
    compare(oracle, 1, 5_000)


@pytest.mark.slow
def test_very_many_cases_come_to_the_same(oracle: Oracle) -> None:
    for seed in range(2, 14):
        compare(oracle, seed, 10_000)


def test_a_difference_is_found(oracle: Oracle) -> None:
    """With ties the other way round."""
    with pytest.raises(AssertionError), pytest.MonkeyPatch.context() as patch:
        plain = ChangeSet.map
        patch.setattr(ChangeSet, "map", lambda self, other, before=False: plain(self, other, not before))
        compare(oracle, 1, 1_000)
