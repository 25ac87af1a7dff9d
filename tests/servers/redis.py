"""Redis servers: one, or a cluster of three."""

from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.ports import free_port
from tests.servers.processes import Server, require, wait_until

_SLOTS = 16384


class RedisServer(Server):
    """One server. It keeps nothing over a restart unless it is started with `--appendonly yes`."""

    def __init__(self, place: Path, *more: str) -> None:
        self.port = free_port()
        words = [require("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *more]
        super().__init__(place, words)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *more: str) -> None:
        """Returns when it answers."""
        super().start(*more)
        self.wait_until(self.answers)

    def ask(self, *words: Any) -> Any:
        """One command, on a connection of its own."""
        with redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0)) as client:
            return client.execute_command(*words)

    def slots(self) -> set[int]:
        """The slots of a cluster that this server has."""
        own = next(line for line in self.ask("CLUSTER NODES").values() if "myself" in line["flags"])
        return {slot for first, *last in own["slots"] for slot in range(int(first), int((last or [first])[0]) + 1)}

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False


class RedisThree:
    """A Redis Cluster of three masters without replicas."""

    def __init__(self, place: Path, *more: str) -> None:
        self.servers = [_member(place / str(number), *more) for number in range(3)]

    @property
    def url(self) -> str:
        return self.servers[0].url

    def start(self) -> None:
        """Returns when all slots are served, and every server knows it."""
        try:
            self._start()
        except BaseException:
            self.kill()
            raise

    def _start(self) -> None:
        for number, server in enumerate(self.servers):
            server.start()
            server.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
            first, after = number * _SLOTS // 3, (number + 1) * _SLOTS // 3
            server.ask("CLUSTER ADDSLOTSRANGE", first, after - 1)
            if number:
                bus = self.servers[0].words[self.servers[0].words.index("--cluster-port") + 1]
                server.ask("CLUSTER MEET", "127.0.0.1", self.servers[0].port, bus)
        for server in self.servers:
            wait_until(lambda server=server: _is_whole(server))  # type: ignore[misc]

    def move(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """Moves a slot with its keys from one server to another."""
        names = {server: server.ask("CLUSTER MYID").decode() for server in (source, target)}
        target.ask("CLUSTER SETSLOT", slot, "IMPORTING", names[source])
        source.ask("CLUSTER SETSLOT", slot, "MIGRATING", names[target])
        keys = source.ask("CLUSTER GETKEYSINSLOT", slot, 1000)
        if keys:
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for server in (target, source, *self.servers):
            server.ask("CLUSTER SETSLOT", slot, "NODE", names[target])

    def kill(self) -> None:
        for server in self.servers:
            server.kill()


def _member(place: Path, *more: str) -> RedisServer:
    bus = str(free_port())
    # The others go on without one that is down.
    options = ("--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no")
    return RedisServer(place, "--cluster-enabled", "yes", "--cluster-port", bus, *options, *more)


def _is_whole(server: RedisServer) -> bool:
    facts = server.ask("CLUSTER INFO")
    return facts["cluster_state"] == "ok" and facts["cluster_known_nodes"] == "3"
