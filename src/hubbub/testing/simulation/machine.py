"""A machine whose power may fail: what SQLite did not wait for is then there in part, or not at all."""

from __future__ import annotations

import random
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubbub.testing.power import Disk


def is_there() -> bool:
    """Whether there is what it takes: apsw, whose SQLite lets files be of one's own making."""
    return find_spec("apsw") is not None


class Machine:
    """Processes run on it one after the other."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._disk: Disk | None = None
        self._files: dict[str, bytes] = {}
        self._mounted = ExitStack()
        self._boots = 1

    def start(self) -> dict[str, Any]:
        """A process begins: options for `open_storage`."""
        # Not at the top: only who has apsw can import it.
        self._disk = import_module("hubbub.testing.power").Disk(self._files)
        assert self._disk is not None
        boot = f"boot {self._boots}"
        return {"connect": self._mounted.enter_context(self._disk.mounted()), "boot": lambda: boot}

    def stop(self, *, lost_power: bool) -> None:
        """The process is gone, and with `lost_power` what of the file was not safe."""
        if self._disk is None:
            return
        disk, self._disk = self._disk, None
        self._mounted.close()
        self._files = disk.after_a_cut(self._rng) if lost_power else disk.after_a_kill()
        self._boots += lost_power
