"""The names of keys and channels. What one function touches has one hash tag: on a cluster, one server."""

from __future__ import annotations


class Names:
    """Names of a cluster of hubs on a database of the server."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster

    def log(self, log: str) -> tuple[str, str]:
        """The hash and the stream of a log."""
        base = self._log(log)
        return f"{base}:m", f"{base}:s"

    def live(self, log: str, database: int) -> str:
        """The channel of a log's new records. All databases share one space of channels."""
        return f"{self._log(log)}:live:{database}"

    def mail(self, topic: str, database: int) -> str:
        """The channel of a mailbox topic."""
        return f"{self._cluster}:{{mail:{topic}}}:{database}"

    def snapshots(self, document: str) -> tuple[str, str]:
        """The hash and the list of a document's snapshots."""
        base = f"{self._cluster}:{{snapshots:{document}}}"
        return f"{base}:h", f"{base}:l"

    def common(self, what: str) -> str:
        """The prefix of everything that is kept in one place (`sessions`, `presence`, ...)."""
        return f"{self._cluster}:{{{what}}}"

    def _log(self, log: str) -> str:
        # Something before the name: a tag that were empty would be none.
        return f"{self._cluster}:{{log:{log}}}"
