from hubbub.backends.memory.log import MemoryLog
from hubbub.ports import Log
from hubbub.testing.log_contract import LogContract


class TestMemoryLog(LogContract):
    def make_log(self) -> Log:
        return MemoryLog()
