"""What acknowledged deliveries cost: the same topic with and without them."""

from collections.abc import Mapping
from dataclasses import replace

from bench.load import measure
from bench.servers import ACK, Frames, all_servers, channel_of, hub_frames
from bench.trial import Bars, Figure, Setting, Trial
from bench.workloads import THROUGHPUT, Work

WORK = next(work for work in THROUGHPUT if work.key == "topic-8")


def acknowledged_frames(work: Work) -> Frames:
    """Every connection asks for acks, and sends one after 64 messages or 100 ms."""
    frames = hub_frames(work)
    channel = channel_of(work)
    hello, subscribe = frames.inits
    return replace(
        frames,
        inits=(hello, subscribe.removesuffix("}") + ',"payload":{"ack":true}}'),
        confirm=f'{{{ACK},"channel":"{channel}","offset":%O}}',
    )


def run(setting: Setting) -> Mapping[str, float]:
    """Both, one after the other."""
    plain = all_servers(setting.hub)[0]
    pair = {"plain": plain, "acked": replace(plain, frames=acknowledged_frames)}
    names = sorted(pair, reverse=setting.number % 2 == 0)
    done = {name: measure(pair[name], WORK, setting.seconds, setting.warm) for name in names}
    return {
        "ratio": done["acked"].deliveries_per_s / done["plain"].deliveries_per_s,
        "plain_per_s": done["plain"].deliveries_per_s,
        "acked_per_s": done["acked"].deliveries_per_s,
        "p99_plain_ms": done["plain"].p99_ms,
        "p99_acked_ms": done["acked"].p99_ms,
        "server_cpu": 100 * done["acked"].server_cpu,
        "load_cpu": 100 * done["acked"].load_cpu,
    }


TRIAL = Trial(
    key="acks",
    title=f"acknowledged deliveries, {WORK.title}",
    run=run,
    figures=(
        Figure("ratio", "throughput with acks to that without", "×", at_least=0.8),
        Figure("plain_per_s", "deliveries a second without acks", ""),
        Figure("acked_per_s", "deliveries a second with acks", ""),
        Figure("p99_plain_ms", "p99 latency without acks", "ms"),
        Figure("p99_acked_ms", "p99 latency with acks", "ms"),
        Figure("server_cpu", "CPU of the server with acks", "%"),
        Figure("load_cpu", "CPU of the load generator with acks", "%"),
    ),
    headline="ratio",
    bars=(
        Bars(
            f"acknowledged deliveries, {WORK.title}",
            "thousands of deliveries a second",
            (("plain_per_s", "without acks", "least"), ("acked_per_s", "with acks", "hub")),
            scale=1000,
        ),
    ),
)
