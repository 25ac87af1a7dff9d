from collections.abc import Sequence

from hubbub.backends.memory.presence import MemoryPresence
from hubbub.ports import Presence
from hubbub.testing.presence_contract import PresenceContract


class TestMemoryPresence(PresenceContract):
    def make_presences(self, count: int) -> Sequence[Presence]:
        return [MemoryPresence()] * count
