from collections.abc import Callable, Sequence

from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.shared import SharedMemoryLog
from hubbub.delivery.retention import RetentionPolicy
from hubbub.ports import Log, SharedLog
from hubbub.testing.log_contract import LogContract
from hubbub.testing.shared_log_contract import SharedLogContract


class TestSharedMemoryLog(SharedLogContract):
    def make_logs(self, count: int) -> Sequence[SharedLog]:
        return [SharedMemoryLog(MemoryLog())] * count


class TestSharedMemoryLogAlone(LogContract):
    def make_log(self) -> Log:
        return SharedMemoryLog(MemoryLog())

    def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        return SharedMemoryLog(MemoryLog(retention=policy, clock=clock))
