"""What the node has done and is doing, for Prometheus. Nothing is kept for it: a scrape reads the hub's own figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hubbub.node.members import Members
from hubbub.node.node import Node
from hubbub.server.admission import Admission

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The text that `/metrics` answers. `registry` takes further collectors: what they yield stands there, too."""

    def __init__(self, node: Node, admission: Callable[[], Admission | None]) -> None:
        # One of its own: several nodes may run in one process.
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(NodeCollector(node, admission))
        ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class NodeCollector(Collector):
    """The hub's statistics, those of the door before it, and what is known of other nodes."""

    def __init__(self, node: Node, admission: Callable[[], Admission | None]) -> None:
        self._node = node
        self._hub = node.hub
        self._admission = admission

    def collect(self) -> Iterator[Metric]:
        yield from self._connections()
        yield from self._messages()
        yield _gauge("hubbub_log_away", "1 while the log cannot be had.", "log" in self._node.away)
        yield from self._sessions()
        if self._node.cluster is not None:
            yield from self._nodes(self._node.cluster.members)

    def _connections(self) -> Iterator[Metric]:
        hub, admission = self._hub, self._admission()
        yield _gauge("hubbub_connections", "Connections that are open now.", len(hub.connections))
        if admission is not None:
            yield _gauge("hubbub_connections_limit", "Connections that this node takes.", admission.limit)
            yield _gauge("hubbub_connections_waiting", "Connections that wait for a place.", admission.waiting)
            yield _counter("hubbub_connections_refused", "Peers that got no place.", admission.refused)

    def _messages(self) -> Iterator[Metric]:
        totals, counts = self._hub.watch.totals(), self._hub.counts
        yield _counter("hubbub_messages_received", "Messages from clients.", totals.messages_in)
        yield _counter("hubbub_messages_sent", "Messages to clients, of every kind.", totals.messages_out)
        yield _counter("hubbub_received_bytes", "Bytes of messages from clients, as on the wire.", totals.bytes_in)
        yield _counter("hubbub_sent_bytes", "Bytes written to clients, as on the wire.", totals.bytes_out)
        yield _counter("hubbub_messages_rate_limited", "Messages refused: too fast.", counts.rate_limited)
        yield _counter("hubbub_log_appends", "Records handed to the log.", counts.appends)
        yield _counter("hubbub_deliveries", "Records of logs written to clients, repeats included.", counts.deliveries)
        yield _counter("hubbub_redeliveries", "Rewinds of a reader that did not acknowledge.", counts.redeliveries)
        yield _counter("hubbub_gaps", "Times a reader was told that records will not come.", counts.gaps)

    def _sessions(self) -> Iterator[Metric]:
        hub = self._hub
        lagging = sum(
            reader.lagging
            for connection in hub.connections.values()
            if connection.session is not None
            for reader in connection.session.readers.values()
        )
        yield _gauge("hubbub_readers_lagging", "Readers that are read for from the log.", lagging)
        yield _gauge("hubbub_sessions_resting", "Sessions without a connection.", hub.sessions.resting)
        yield _counter("hubbub_sessions_restored", "Sessions that came back.", hub.counts.restores)

    def _nodes(self, members: Members) -> Iterator[Metric]:
        traffic = self._hub.watch.traffic
        yield _gauge("hubbub_nodes", "Nodes of the cluster, this one included.", 1 + len(members.others()))
        yield _gauge("hubbub_registry_away", "1 while the registry of nodes cannot be had.", members.is_away)
        yield _counter("hubbub_nodes_messages_sent", "Records and messages for other nodes.", traffic.messages_out)
        yield _counter("hubbub_nodes_messages_received", "Records and messages of others.", traffic.messages_in)
        yield _counter("hubbub_nodes_sent_bytes", "Their bytes.", traffic.bytes_out)
        yield _counter("hubbub_nodes_received_bytes", "Their bytes.", traffic.bytes_in)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
