"""One hub owns the file: a lock beside it, which the system lets go when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hubbub.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl


class FileLock:
    """Holds PATH.lock until it is released. Raises `ConfigurationError` when another one has it.

    The file stays when it is released: if it were removed, two could hold it. On Windows nothing is locked.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take(path)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Lets another one have it; harmless when it was released."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _take(self, path: Path) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._file, 32).decode("ascii", "replace").strip()
            raise ConfigurationError(
                "log",
                f"{path} is in use by another hub (process {owner or 'unknown'}); stop that one or name another file",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
