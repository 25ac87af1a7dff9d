"""What the trial of several nodes makes of systems that are missing or fail; nothing is measured here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bench.cluster import Run, System
from bench.process import BenchError
from bench.stats import Results
from bench.trial import PartlyFailed, Setting

from bench import brokers, cluster

SETTING = Setting(Path("hubbub"), 1.0, 1.0, 0)
RUN = Run(published_per_s=100.0, deliveries_per_s=1000.0, p50_ms=1.0, p99_ms=2.0, cpu=0.5, first_cpu=0.1)


def measure(_: Setting) -> Run:
    return RUN


def fail(_: Setting) -> Run:
    raise BenchError("1 deliveries missing")


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch) -> dict[str, System]:
    """All of them, each of which does the same."""
    systems = {name: System(name, measure) for name in cluster.SYSTEMS}
    monkeypatch.setattr(cluster, "SYSTEMS", systems)
    return systems


def test_every_figure_has_a_value(systems: dict[str, System]) -> None:
    found = cluster.run(SETTING)
    assert {figure.key for figure in cluster.TRIAL.figures} <= found.keys()
    assert (found["kafka_rate"], found["kafka_to_channels"], found["kafka_share"]) == (200.0, 1.0, 20.0)
    assert cluster.left_out() == {}


def test_without_kafka_the_others_are_measured(systems: dict[str, System]) -> None:
    systems["kafka"] = System("on Kafka", fail, lambda: "it is missing")
    found = cluster.run(SETTING)
    lacking = {figure.key for figure in cluster.TRIAL.figures} - found.keys()
    assert lacking == {"kafka_rate", "kafka_share", "kafka_p50_ms", "kafka_to_socketio", "kafka_to_channels"}
    assert cluster.left_out() == {"on Kafka": "it is missing"}
    results = Results({}, {}, [], {"cluster": [found]})
    assert results.figure("cluster", "kafka_rate") is None
    assert results.figure("cluster", "redis_rate") is not None


@pytest.mark.parametrize("name", [*cluster.SYSTEMS])
def test_one_that_fails_costs_the_others_nothing(systems: dict[str, System], name: str) -> None:
    systems[name] = replace(systems[name], measure=fail)
    with pytest.raises(PartlyFailed, match=f"{name}: 1 deliveries missing") as raised:
        cluster.run(SETTING)
    left = {other for other in systems if f"{other}_rate" in raised.value.found}
    assert left == {"redis", "kafka", "socketio", "channels"} - {name}


def test_kafkas_artifacts_are_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "KAFKA", tmp_path)
    assert brokers.hinders_kafka() == "Apache Kafka is missing (`make servers` fetches it with Maven)"
