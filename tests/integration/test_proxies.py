"""Real nginx and HAProxy, with the configurations that `hubbub` prints, before three real nodes."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import hubbub
from tests.integration.processes import Node, node_of, running_nodes, running_proxy
from tests.sockets import get, status_of, upgrade

pytestmark = pytest.mark.slow

KINDS = ["nginx", "haproxy"]


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    with running_nodes("a", "b", "c", trusted_proxies="127.0.0.0/8") as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


async def test_a_websocket_goes_through(kind: str, nodes: list[Node], tmp_path: Path) -> None:
    with running_proxy(kind, tmp_path, nodes) as port:
        async with hubbub.connect(f"ws://127.0.0.1:{port}/ws", user="ann") as client:
            await client.join("room:den")
            got = []
            async with client.subscribe("room:den") as messages:
                for number in range(3):
                    await client.publish("room:den", str(number) * 4000)
                async for message in messages:
                    got.append(message.payload.content)
                    if len(got) == 3:
                        break
            assert got == [str(number) * 4000 for number in range(3)]
        assert (await get(url(port), "/health"))[0] == 200
        assert (await get(url(port), "/metrics"))[0] == 404
        # The page of the same origin may connect.
        page = await upgrade(url(port), Origin=url(port))
        assert page.status == 101
        page.close()


async def test_connections_are_spread(kind: str, nodes: list[Node], tmp_path: Path) -> None:
    with running_proxy(kind, tmp_path, nodes) as port:
        sockets = [await upgrade(url(port)) for _ in range(6)]
        found = [await node_of(socket) for socket in sockets]
        assert sorted(found) == ["a", "a", "b", "b", "c", "c"]
        for socket in sockets:
            socket.close()


async def test_an_address_keeps_its_node(kind: str, nodes: list[Node], tmp_path: Path) -> None:
    with running_proxy(kind, tmp_path, nodes, "--sticky", "address") as port:
        found: dict[str, set[str]] = {}
        for last in range(1, 25):
            address = f"127.0.0.{last}"
            for _ in range(3):
                socket = await upgrade(url(port), source=address)
                found.setdefault(address, set()).add(await node_of(socket))
                socket.close()
        assert {len(names) for names in found.values()} == {1}
        # Neighbours in one network are not one client.
        assert set.union(*found.values()) == {"a", "b", "c"}


async def test_each_node_can_be_reached_by_itself(kind: str, nodes: list[Node], tmp_path: Path) -> None:
    with running_proxy(kind, tmp_path, nodes) as port:
        for name in ("b", "a", "c", "b"):
            socket = await upgrade(url(port), path=f"/node/{name}/ws")
            assert await node_of(socket) == name
            socket.close()
        assert await status_of(url(port), path="/node/d/ws") == 404


async def test_nodes_see_the_clients_address(kind: str, tmp_path: Path) -> None:
    with running_nodes("a", trusted_proxies="127.0.0.1", max_connections_per_address="1") as nodes:
        with running_proxy(kind, tmp_path, nodes) as port:
            first = await upgrade(url(port), source="127.0.0.2")
            assert first.status == 101
            # It cannot be someone else by saying so.
            again = await upgrade(url(port), source="127.0.0.2", X_Forwarded_For="198.51.100.1")
            assert (again.status, again.header("Retry-After")) == (429, "5")
            other = await upgrade(url(port), source="127.0.0.3")
            assert other.status == 101
            for socket in (first, again, other):
                socket.close()


async def test_after_a_crash_new_connections_go_to_the_others(kind: str, tmp_path: Path) -> None:
    with running_nodes("a", "b", "c") as nodes, running_proxy(kind, tmp_path, nodes) as port:
        before = await upgrade(url(port), path="/node/a/ws")
        assert await node_of(before) == "a"
        nodes[0].kill()
        with pytest.raises(asyncio.IncompleteReadError):
            await before.frame()
        sockets = [await upgrade(url(port)) for _ in range(12)]
        assert [socket.status for socket in sockets] == [101] * 12
        assert {await node_of(socket) for socket in sockets} == {"b", "c"}
        for socket in (before, *sockets):
            socket.close()


async def test_when_all_are_full_a_client_is_told_when_to_come_again(kind: str, tmp_path: Path) -> None:
    with running_nodes("a", "b", "c", max_connections="1", max_waiting="0", waiting_timeout="3") as nodes:
        with running_proxy(kind, tmp_path, nodes) as port:
            sockets = [await upgrade(url(port)) for _ in range(3)]
            # Two may have been sent to one node, which was full: the next one took it.
            assert {await node_of(socket) for socket in sockets} == {"a", "b", "c"}
            for _ in range(20):
                refused = await upgrade(url(port))
                assert (refused.status, refused.header("Retry-After") in ("3", "5")) == (503, True)
                refused.close()
            sockets[1].close()
            async with asyncio.timeout(20):
                while (late := await upgrade(url(port))).status != 101:
                    late.close()
                    await asyncio.sleep(0.1)
            assert (await late.hello("late"))["payload"]["user"] == "late"
            for socket in (*sockets, late):
                socket.close()


async def test_all_waiting_places_taken_too(kind: str, tmp_path: Path) -> None:
    """Who waits was upgraded, and is told 1013 over the WebSocket."""
    with running_nodes("a", max_connections="1", max_waiting="1", waiting_timeout="0.5") as nodes:
        with running_proxy(kind, tmp_path, nodes) as port:
            first, waiting = await upgrade(url(port)), await upgrade(url(port))
            assert await node_of(first) == "a"
            assert waiting.status == 101
            assert await waiting.closing() == 1013
            first.close(), waiting.close()


async def test_over_tls(kind: str, nodes: list[Node], tmp_path: Path) -> None:
    certificate, trusted = make_certificate(tmp_path)
    with running_proxy(kind, tmp_path, nodes, "--certificate", str(certificate)) as port:
        context = ssl.create_default_context(cafile=trusted)
        socket = await upgrade(url(port), tls=context)
        assert await node_of(socket) in {"a", "b", "c"}
        socket.close()
        own = await upgrade(url(port), tls=context, path="/node/c/ws")
        assert await node_of(own) == "c"
        own.close()


def test_without_a_certificate_they_say_so(kind: str, nodes: list[Node], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"none\.pem"):
        with running_proxy(kind, tmp_path, nodes, "--certificate", str(tmp_path / "none.pem")):
            pass


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Self-made, for 127.0.0.1: with its key for the server, and without for who is to trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hubbub.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both, trusted = folder / "both.pem", folder / "trusted.pem"
    both.write_bytes(shown + secret)
    trusted.write_bytes(shown)
    return both, trusted
