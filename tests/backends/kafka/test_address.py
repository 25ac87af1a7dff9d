import pytest

from hubbub.backends.kafka.address import LINGER, PARTITIONS, parse
from hubbub.errors import ConfigurationError

OPEN = {"security.protocol": "PLAINTEXT"}


@pytest.mark.parametrize(
    ("url", "servers", "topic", "partitions", "login"),
    [
        ("kafka://a", "a:9092", "blue", PARTITIONS, OPEN),
        ("kafka://a:1,b,[::1]:3/chat.log?partitions=8", "a:1,b:9092,[::1]:3", "chat.log", 8, OPEN),
        (
            "kafkas://a/x?ca=/etc/ca.pem",
            "a:9092",
            "x",
            PARTITIONS,
            {"security.protocol": "SSL", "ssl.ca.location": "/etc/ca.pem"},
        ),
        (
            "kafkas://an%40n:p%3As%2Fs@a,b/x?mechanism=PLAIN",
            "a:9092,b:9092",
            "x",
            PARTITIONS,
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "an@n",
                "sasl.password": "p:s/s",
            },
        ),
    ],
)
def test_a_url_names_brokers_and_a_topic(
    url: str, servers: str, topic: str, partitions: int, login: dict[str, str]
) -> None:
    address = parse(url, "log", "blue")
    assert address == (servers, topic, partitions, login, LINGER)
    assert address.client["bootstrap.servers"] == servers
    assert address.client.items() >= login.items()


@pytest.mark.parametrize(
    ("url", "linger"), [("kafka://a", 5.0), ("kafka://a/x?linger=0", 0.0), ("kafka://a/x?linger=12.5", 12.5)]
)
def test_a_url_says_how_long_an_append_may_wait_for_others(url: str, linger: float) -> None:
    assert parse(url, "log", "blue").linger == linger


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("kafka://", "kafka://host:9092"),
        ("kafka:///x", "kafka://host:9092"),
        ("kafka://a:b/x", "kafka://host:9092"),
        ("kafka://a/x/y", "kafka://host:9092"),
        ("kafka://a/\u00e9", "kafka://host:9092"),
        ("kafka://a/x?partitions=0", "kafka://host:9092"),
        ("kafka://a/x?partitions=many", "kafka://host:9092"),
        ("redis://a/x", "kafka://host:9092"),
        ("kafka://a/x?linger=-1", "linger: '-1' is no number of milliseconds up to 1000"),
        ("kafka://a/x?linger=1001", "linger: '1001'"),
        ("kafka://a/x?linger=nan", "linger: 'nan'"),
        ("kafka://a/x?linger=soon", "linger: 'soon'"),
        ("kafka://a/x?acks=0", "'acks' is no option"),
        ("kafka://a/x?ca=/etc/ca.pem", "write kafkas://"),
        ("kafka://ann:secret@a/x?mechanism=GUESS", "say SCRAM-SHA-512"),
        ("kafka://ann:secret@a/x?mechanism=PLAIN&mechanisms=1", "'mechanisms' is no option"),
        ("kafka://ann:secret@/x", "kafka://host:9092"),
        ("kafka://ann:secret@a:b/x", "kafka://host:9092"),
    ],
)
def test_a_wrong_url_is_named_with_the_setting_and_the_fix(url: str, fix: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(url, "log", "hubbub")
    assert raised.value.setting == "log"
    assert fix in str(raised.value)
    assert "secret" not in str(raised.value)
