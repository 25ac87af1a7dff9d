from collections.abc import Callable, Sequence

from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.mailbox import MemoryExchange, MemoryMailbox
from hubbub.backends.memory.shared import SharedMemoryLog
from hubbub.collab import MailedLog
from hubbub.delivery.retention import RetentionPolicy
from hubbub.ports import Log, SharedLog
from hubbub.testing.log_contract import LogContract
from hubbub.testing.shared_log_contract import SharedLogContract


class TestSharedMemoryLog(SharedLogContract):
    def make_logs(self, count: int) -> Sequence[SharedLog]:
        return [SharedMemoryLog(MemoryLog())] * count


class TestMailedLog(SharedLogContract):
    """A log that tells nobody of what is appended, with a mailbox for each node."""

    def make_logs(self, count: int) -> Sequence[SharedLog]:
        kept, exchange = MemoryLog(), MemoryExchange()
        return [MailedLog(kept, MemoryMailbox(exchange)) for _ in range(count)]


class TestSharedMemoryLogAlone(LogContract):
    def make_log(self) -> Log:
        return SharedMemoryLog(MemoryLog())

    def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        return SharedMemoryLog(MemoryLog(retention=policy, clock=clock))
