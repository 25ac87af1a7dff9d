"""What is said at the start of a Redis that cannot be used, and that one that comes late is waited for."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import hubbub
from hubbub.backends.redis.opening import RedisBackend
from hubbub.collab import Documents
from hubbub.config import ChannelSettings
from hubbub.ports import Append
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.redis.conftest import Backends
from tests.collab.rude import Rude, serving_documents
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.slow


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """A server with a password."""
    one = RedisServer(tmp_path / "redis", "--requirepass", "right", "--databases", "2")
    one.start()
    yield one
    one.kill()


async def refused(url: str) -> str:
    """What the start says; nothing of the password is in it."""
    backend = RedisBackend(url, setting="log", patience=0.3)
    with pytest.raises(hubbub.ConfigurationError) as raised:
        await backend.connect()
    assert raised.value.setting == "log"
    assert "secret" not in str(raised.value)
    return str(raised.value)


async def test_a_wrong_password_is_named_and_not_shown(guarded: RedisServer) -> None:
    place = f"127.0.0.1:{guarded.port}"
    for url in (f"redis://:secret@{place}/0", f"redis://ann:secret@{place}", f"redis://{place}?password=secret"):
        said = await refused(url)
        assert said.startswith("log: redis://")
        assert "refuses user and password" in said
    assert "refuses user and password" in await refused(f"redis://{place}")


async def test_the_right_password_serves_subscriptions_too(guarded: RedisServer, backends: Backends) -> None:
    backend = await backends.make(f"redis://:right@127.0.0.1:{guarded.port}/1")
    heard = asyncio.Event()

    class Ear:
        def arrived(self, *_: object) -> None:
            heard.set()

        def interrupted(self, *_: object) -> None: ...

    await backend.log.follow("a", Ear())
    await backend.log.append([Append("a", b"1")])
    await asyncio.wait_for(heard.wait(), 5)


async def test_with_tls_everything_is_as_without(tmp_path: Path, backends: Backends) -> None:
    certificate, key = make_certificate(tmp_path)
    server = RedisServer(tmp_path / "redis")
    tls = free_port()
    server.start(
        "--tls-port", str(tls), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no"
    )
    try:
        backend = await backends.make(f"rediss://127.0.0.1:{tls}/0?ssl_ca_certs={certificate}")
        ear = Recorder()
        await backend.log.follow("a", ear)
        for record in (b"1", b"x" * 300_000, b"3"):
            await backend.log.append([Append("a", record)])
        assert await ear.until("a", b"3") == [b"1", b"x" * 300_000, b"3"]
        assert server.ask("CLIENT KILL TYPE pubsub") == 1
        await ear.changes.until(lambda: ear.interrupted_logs == ["a"])
        await backend.log.append([Append("a", b"4")])
        await ear.until("a", b"4")
        assert "cannot be reached" in await refused(f"rediss://:secret@127.0.0.1:{tls}/0")
    finally:
        server.kill()


def make_certificate(place: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that nobody knows, and its key: two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = place / "certificate.pem", place / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(files[0]), str(files[1])


async def test_a_database_that_is_not_there_is_named(guarded: RedisServer) -> None:
    assert "cannot be used: " in await refused(f"redis://:right@127.0.0.1:{guarded.port}/7")


async def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    assert "cannot be reached" in await refused(f"redis://:secret@127.0.0.1:{server.port}/0")
    assert "cannot be reached" in await refused("redis://:secret@no-such-host.invalid/0")


async def test_a_server_without_functions_is_too_old(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", "--rename-command", "FUNCTION", "")
    server.start()
    try:
        assert "Redis 7.0 or newer is needed" in await refused(server.url)
    finally:
        server.kill()


async def test_a_server_that_comes_late_is_waited_for(
    tmp_path: Path, backends: Backends, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(tmp_path / "redis")
    connecting = asyncio.create_task(backends.make(server.url.replace("//", "//:secret@"), patience=20))
    async with asyncio.timeout(10):
        while "trying for" not in caplog.text:
            await asyncio.sleep(0.01)
    assert "secret" not in caplog.text
    server.start("--requirepass", "secret")
    try:
        backend = await connecting
        assert len(await backend.log.append([Append("a", b"1")])) == 1
    finally:
        server.kill()


async def test_a_server_that_may_drop_logs_is_warned_of(
    tmp_path: Path, backends: Backends, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hubbub.redis")
    server = RedisServer(tmp_path / "redis", "--maxmemory-policy", "allkeys-lru")
    server.start()
    try:
        await backends.make(server.url)
        assert "set noeviction" in caplog.text
        assert "a restart is a new epoch" in caplog.text
    finally:
        server.kill()


def test_a_rule_that_redis_does_not_know_is_named() -> None:
    rule = ChannelSettings("topic:quotes", overrun="conflate", key="payload.symbol")
    with pytest.raises(hubbub.ConfigurationError, match=r"channels\.overrun: topic:quotes: logs on Redis"):
        hubbub.Hubbub(backend="redis://127.0.0.1:1/0", channels=(rule,))
    hubbub.Hubbub(backend="redis://127.0.0.1:1/0", log="memory", channels=(rule,))


async def test_a_hub_on_redis_goes_on_where_another_process_stopped(
    redis_server: RedisServer, backends: Backends
) -> None:
    def make() -> hubbub.Hubbub:
        return hubbub.Hubbub(anonymous=True, port=0, backend=redis_server.url, cluster=backends.cluster)

    async with make().serve() as app:
        async with hubbub.connect(f"ws{app.url[4:]}/ws", user="ann") as client:
            await client.join("room:den")
            position = await client.publish("room:den", "one")
    async with make().serve() as app:
        async with hubbub.connect(f"ws{app.url[4:]}/ws", user="bob") as client:
            await client.join("room:den")
            later = await client.publish("room:den", "two")
            assert (later.epoch, later.offset) == (position.epoch, position.offset + 1)


async def test_documents_are_kept_over_a_restart_of_the_hub(redis_server: RedisServer, backends: Backends) -> None:
    async def edit(*changes: list[object]) -> str:
        app = hubbub.Hubbub(anonymous=True, port=0, backend=redis_server.url, cluster=backends.cluster)
        # This node alone edits them.
        documents = Documents(app, store=app.stores.log)  # type: ignore[arg-type]
        async with serving_documents(app):
            ann = await Rude.connect(app, "ann")
            joined = await ann.join()
            revision = joined["init"]["document"]["revision"]
            for number, change in enumerate(changes, 1):
                ann.edit(change, revision, number)
                # A node's claim of the document is a revision, too.
                revision = (await ann.operations())[-1]["revision"]
            text = await documents.text("d")
            ann.close()
        return text

    assert await edit([[0, "Hello"]], [5, [0, "!"]]) == "Hello!"
    assert await edit([6, [0, "?"]]) == "Hello!?"
    backend = await backends.make(redis_server.url)
    assert await backend.snapshots.names() == ["d"]
    assert redis_server.ask("PTTL", backend.log._names.log("doc:d")[1]) == -1, "documents stay"
