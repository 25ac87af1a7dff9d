import pytest

import hubbub
from hubbub.backends.kafka.opening import open_backend
from hubbub.collab.documents import Documents
from hubbub.config import ChannelSettings, Settings
from hubbub.delivery.retention import RetentionPolicy
from hubbub.errors import ConfigurationError


def test_a_rule_that_kafka_cannot_keep_is_refused_by_name() -> None:
    settings = Settings(log="kafka://a", channels=(ChannelSettings("topic:x", overrun="conflate", key="payload.k"),))
    with pytest.raises(ConfigurationError, match="topic:x: logs on Kafka do not conflate") as raised:
        open_backend("kafka://a", "log", settings, retention=RetentionPolicy())
    assert raised.value.setting == "channels.overrun"


def test_a_topic_that_is_made_keeps_what_is_to_be_kept_longest() -> None:
    rules = (ChannelSettings("topic:x", age=9000.0), ChannelSettings("topic:y", age=10.0))
    backend = open_backend("kafka://a", "log", Settings(log="kafka://a", channels=rules), retention=RetentionPolicy())
    assert backend._steward._retention == 9000.0


def test_documents_refuse_it_by_name() -> None:
    app = hubbub.Hubbub(anonymous=True, log="kafka://127.0.0.1:1/x")
    with pytest.raises(ConfigurationError) as raised:
        Documents(app)
    assert raised.value.setting == "documents"
