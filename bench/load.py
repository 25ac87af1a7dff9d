"""One measurement: a fresh server, the load generator against it, and what came of it."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.process import BenchError, cores, pinned, running
from bench.servers import BINARIES, Frames, Server
from bench.workloads import IDLE, Work

PATIENCE_SECONDS = 150
# Longer than the 5 s after which the hub first pings, so that the heartbeat's memory counts.
HOLD_SECONDS = 7.0


@dataclass(frozen=True)
class Measurement:
    """What the load generator saw of one server doing one work."""

    deliveries_per_s: float
    published_per_s: float
    deliveries_per_read: float
    p50_ms: float
    p99_ms: float
    server_cpu: float
    """Share of its core, of which `server_kernel_cpu` in the kernel."""
    server_kernel_cpu: float
    load_cpu: float
    rss_kb: int


@dataclass(frozen=True)
class IdleMeasurement:
    """What a server's resident memory grew by."""

    connections: int
    rss_before_kb: int
    rss_after_kb: int
    connect_s: float

    @property
    def kb_per_connection(self) -> float:
        """The growth, shared among the connections."""
        return (self.rss_after_kb - self.rss_before_kb) / self.connections


def _words(frames: Frames, work: Work, ports: Sequence[int], pids: Sequence[int]) -> list[str]:
    words = [str(BINARIES / "wsload")]
    for port in ports:
        words += ["--port", str(port)]
    for pid in pids:
        words += ["--pid", str(pid)]
    words += ["--conns", str(work.connections), "--rooms", str(work.rooms)]
    words += ["--path", frames.path, "--ready", frames.ready, "--template", frames.template]
    for init in frames.inits:
        words += ["--init", init]
    if frames.protocol:
        words += ["--protocol", frames.protocol]
    if frames.ack:
        words += ["--ack", frames.ack]
    if frames.confirm:
        words += ["--confirm", frames.confirm]
    if frames.engine_io:
        words += ["--eio"]
    return words


def generate(frames: Frames, work: Work, port: int, pid: int, *more: str) -> dict[str, Any]:
    """Run the load generator against a server; returns its report."""
    return generate_to_all(frames, work, [port], [pid], *more)


def generate_to_all(
    frames: Frames, work: Work, ports: Sequence[int], pids: Sequence[int], *more: str
) -> dict[str, Any]:
    """The same against several nodes, among which each room is shared; the CPU time is that of all `pids`."""
    return run_generator([*_words(frames, work, ports, pids), *more])


def run_generator(words: Sequence[str], patience: float = PATIENCE_SECONDS) -> dict[str, Any]:
    """Run a load generator on its own core, at most `patience` seconds; returns its report."""
    with pinned(cores()[1]):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, complaint = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        raise BenchError(f"no end after {patience} s") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise BenchError(f"the load generator gave up: {complaint.strip()}")
    report: dict[str, Any] = json.loads(out)
    if complaint:
        report["complaint"] = complaint.strip()
    return report


def check(report: dict[str, Any], frames: Frames) -> None:
    """Refuse a number of a server that did not do the whole work."""
    wrong = [f"{report[name]} deliveries {name}" for name in ("missing", "twice") if report[name]]
    if frames.ack and report["acks"] != report["published"]:
        wrong.append(f"{report['acks']} acks for {report['published']} messages")
    if report["published_per_s"] <= 0:
        wrong.append("nothing was published while measuring")
    if wrong:
        raise BenchError(", ".join([*wrong, report.get("complaint", "")]).strip(", "))


def measure(server: Server, work: Work, seconds: float, warm: float) -> Measurement:
    """Measure throughput; raises BenchError when the server failed at it."""
    frames = server.frames(work)
    more = ("--window", str(work.window), "--seconds", str(seconds), "--warm", str(warm))
    with running(server.command, cores()[0]) as (port, pid):
        report = generate(frames, work, port, pid, *more)
        check(report, frames)
    return Measurement(
        deliveries_per_s=report["deliveries_per_s"],
        published_per_s=report["published_per_s"],
        deliveries_per_read=report["deliveries_per_read"],
        p50_ms=report["p50_ms"],
        p99_ms=report["p99_ms"],
        server_cpu=round(report["server_user_cpu"] + report["server_kernel_cpu"], 3),
        server_kernel_cpu=report["server_kernel_cpu"],
        load_cpu=report["load_cpu"],
        rss_kb=report["rss_kb"],
    )


def measure_idle(server: Server) -> IdleMeasurement:
    """Measure what an idle connection costs in resident memory."""
    with running(server.command, cores()[0]) as (port, pid):
        report = generate(server.frames(IDLE), IDLE, port, pid, "--hold", str(HOLD_SECONDS))
    return IdleMeasurement(
        connections=report["connections"],
        rss_before_kb=report["rss_before_kb"],
        rss_after_kb=report["rss_after_kb"],
        connect_s=report["connect_s"],
    )
