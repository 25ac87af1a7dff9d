"""What a URL says of brokers and topic, as librdkafka is to be told."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from hubbub.errors import ConfigurationError

PORT = 9092
PARTITIONS = 4
"""Few: librdkafka sends a request for each, and the broker pays for requests rather than for records."""

LINGER = 5.0
"""Milliseconds for which an append may wait for others, so that they travel together: Kafka's own default since 4.0."""

_MOST_LINGER = 1000.0

_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
_FORM = "write it as kafka://host:9092,host:9092/topic, or with ?partitions=4"


class Address(NamedTuple):
    """What `kafka://user:password@host:port,host:port/topic?partitions=4&linger=5` says; with TLS it is `kafkas:`.

    `partitions` is for a topic that is made, `linger` in milliseconds. `login` is what librdkafka is told beside the
    servers, secrets included.
    """

    servers: str
    topic: str
    partitions: int
    login: dict[str, str]
    linger: float = LINGER

    @property
    def client(self) -> dict[str, Any]:
        """What every client of librdkafka here is told."""
        return {
            "bootstrap.servers": self.servers,
            "client.id": "hubbub",
            "reconnect.backoff.max.ms": 1000,
            "topic.metadata.refresh.interval.ms": 30_000,
            # That a broker is away is said by whoever asked it in vain, not by every client every second.
            "log_level": 2,
            **self.login,
        }


def parse(url: str, setting: str, cluster: str) -> Address:
    """The topic bears the cluster's name where none is said. Raises `ConfigurationError` that names the setting."""
    parts = urlsplit(url)
    user, _, places = parts.netloc.rpartition("@")
    servers = [server if ":" in server else f"{server}:{PORT}" for server in places.split(",") if server]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigurationError(setting, f"{server!r} is no host:port; {_FORM}")
    topic = parts.path.strip("/") or cluster
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    partitions = options.pop("partitions", str(PARTITIONS))
    linger = _linger(options.pop("linger", str(LINGER)), setting)
    login = _login(parts.scheme, user, options, setting)
    if parts.scheme not in ("kafka", "kafkas") or not servers or not partitions.isdecimal() or not int(partitions):
        raise ConfigurationError(setting, _FORM)
    if options:
        raise ConfigurationError(
            setting, f"{min(options)!r} is no option of kafka; there are partitions, linger, mechanism, ca"
        )
    if len(topic) > 249 or not all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in topic):
        raise ConfigurationError(setting, f"{topic!r} is no name of a topic; {_FORM}")
    return Address(",".join(servers), topic, int(partitions), login, linger)


def _linger(text: str, setting: str) -> float:
    try:
        linger = float(text)
    except ValueError:
        linger = -1.0
    if not 0 <= linger <= _MOST_LINGER:
        raise ConfigurationError(setting, f"linger: {text!r} is no number of milliseconds up to {_MOST_LINGER:g}")
    return linger


def _login(scheme: str, user: str, options: dict[str, str], setting: str) -> dict[str, str]:
    """Takes what it knows out of the options."""
    login = {}
    protocol = "SSL" if scheme == "kafkas" else "PLAINTEXT"
    if "ca" in options:
        if scheme != "kafkas":
            raise ConfigurationError(setting, "ca is for TLS: write kafkas://")
        login["ssl.ca.location"] = options.pop("ca")
    if user:
        name, _, password = user.partition(":")
        mechanism = options.pop("mechanism", _MECHANISMS[0])
        if mechanism not in _MECHANISMS:
            raise ConfigurationError(setting, f"mechanism: say {' or '.join(_MECHANISMS)}")
        protocol = f"SASL_{protocol}"
        login |= {
            "sasl.mechanism": mechanism,
            "sasl.username": unquote(name),
            "sasl.password": unquote(password),
        }
    return {"security.protocol": protocol, **login}
