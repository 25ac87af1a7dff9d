"""Both codecs under the fuzzer, for seconds; and, at once, what it or a person once found.

The fuzzer ends its process, and instruments what it imports: it runs in one of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.target import CODECS, attempt, seeds

SECONDS = 10
REGRESSIONS = Path(__file__).parent / "regressions"
FOUND = sorted(path for codec in CODECS for path in (REGRESSIONS / codec).iterdir())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_once_found(path: Path) -> None:
    attempt(path.parent.name, path.read_bytes())


@pytest.mark.parametrize("codec", CODECS)
def test_the_seeds_and_every_beginning_of_them(codec: str) -> None:
    for seed in seeds(codec):
        for size in range(len(seed) + 1):
            attempt(codec, seed[:size])


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS)
def test_the_codecs_parse_or_raise_the_one_error(codec: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.fuzz.codecs", codec, "--seconds", str(SECONDS)]
    done = subprocess.run(
        [*command, "--findings", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS * 6 + 60,
        check=False,
    )
    found = {path.name: path.read_bytes()[:500] for path in tmp_path.iterdir()}
    assert not found, f"{found}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
