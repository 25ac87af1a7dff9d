"""The system's limits, in processes of their own: they cannot be taken back."""

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

_PROGRAM = """
import resource
from hubbub.server.descriptors import descriptor_limit, raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
before = descriptor_limit()
raise_descriptor_limit()
print(before, descriptor_limit())
"""


def limits(soft: int, hard: int) -> list[int]:
    """The limit before and after it was raised."""
    program = _PROGRAM.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    assert limits(256, 300) == [256, 300]


def test_what_is_as_high_as_it_may_be_stays() -> None:
    assert limits(256, 256) == [256, 256]
