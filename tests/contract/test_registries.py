from collections.abc import Sequence

import pytest

from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.ports import Registry
from hubbub.testing.clock import VirtualClock
from hubbub.testing.registry_contract import RegistryContract


class TestMemoryRegistry(RegistryContract):
    @pytest.fixture(autouse=True)
    def _clock(self) -> None:
        self.clock = VirtualClock()

    def make_registries(self, count: int) -> Sequence[Registry]:
        return [MemoryRegistry(clock=self.clock)] * count

    async def elapse(self, seconds: float) -> None:
        self.clock.advance(seconds)
