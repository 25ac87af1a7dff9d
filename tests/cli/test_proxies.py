"""Configurations for proxies, as text; tests/integration runs them."""

import pytest
from typer.testing import CliRunner

from hubbub.cli.main import app
from hubbub.cli.proxies import Upstream, parse_upstream
from hubbub.errors import ConfigurationError

NODES = ["--node", "a=10.0.0.1:8000", "--node", "b=[2001:db8::1]:8000"]


def printed(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.exception
    return done.output


def test_a_node_is_a_name_and_a_place() -> None:
    assert parse_upstream("a=10.0.0.1:8000") == Upstream("a", "10.0.0.1:8000")
    assert parse_upstream("b.2=[2001:db8::1]:8000") == Upstream("b.2", "[2001:db8::1]:8000")


@pytest.mark.parametrize(
    "text", ["", "a", "a=", "=h:1", "a=h", "a=h:0", "a=h:65536", "a=h:1;", "a b=h:1", "a=h:1 x", "../a=h:1", "a=h}:1"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--node"):
        parse_upstream(text)


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_each_node_has_its_route(kind: str) -> None:
    text = printed(kind, *NODES)
    for name, place in (("a", "10.0.0.1:8000"), ("b", "[2001:db8::1]:8000")):
        assert f"/node/{name}/ws" in text
        assert place in text
    assert "24h" in text or "86400s" in text


def test_the_ways_to_choose() -> None:
    assert "least_conn;" in printed("nginx", *NODES)
    assert "hash $remote_addr consistent;" in printed("nginx", *NODES, "--sticky", "address")
    assert "ip_hash;" not in printed("nginx", *NODES, "--sticky", "address")
    assert "balance leastconn" in printed("haproxy", *NODES)
    assert "balance source" in printed("haproxy", *NODES, "--sticky", "address")


def test_the_port_goes_by_the_certificate() -> None:
    assert "listen 80;" in printed("nginx", *NODES)
    assert "listen 443 ssl;" in printed("nginx", *NODES, "--certificate", "/etc/hubbub.pem")
    assert "listen 127.0.0.1:8080;" in printed("nginx", *NODES, "--port", "8080", "--host", "127.0.0.1")
    assert "bind *:443 ssl crt /etc/hubbub.pem" in printed("haproxy", *NODES, "--certificate", "/etc/hubbub.pem")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--port", "0"], "--port"),
        (["--sticky", "cookie"], "--sticky"),
        (["--host", "a b"], "--host"),
        (["--certificate", "/etc/a b.pem"], "--certificate"),
        (["--node", "a=10.0.0.9:1"], "--node"),
    ],
)
def test_a_wrong_option_is_named(words: list[str], name: str) -> None:
    done = CliRunner().invoke(app, ["nginx", *NODES, *words])
    assert isinstance(done.exception, ConfigurationError)
    assert done.exception.setting == name
