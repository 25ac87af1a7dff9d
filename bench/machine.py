"""What the numbers were measured on."""

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from pathlib import Path

from bench.brokers import KAFKA
from bench.process import ROOT, cores
from bench.servers import PEERS

PYTHON_PACKAGES = (
    "hubbub", "picows", "aiofastnet", "msgspec", "uvloop", "uvicorn", "starlette", "websockets",
    "python-socketio", "socketify", "channels", "channels_redis", "redis", "confluent-kafka",
)  # fmt: skip
NODE_PACKAGES = ("ws", "bufferutil", "socket.io")


def _says(*words: str) -> str:
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return "-"
    return done.stdout.strip().partition("\n")[0] if done.returncode == 0 else "-"


def _python_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def _node_version(name: str) -> str:
    file = PEERS / "node_modules" / name / "package.json"
    return str(json.loads(file.read_text())["version"]) if file.exists() else "-"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def facts() -> dict[str, str]:
    """Describe the machine and the versions, for a reader who wants to do it again."""
    server_core, load_core = cores()
    versions = {name: _python_version(name) for name in PYTHON_PACKAGES}
    versions |= {f"{name} (node)": _node_version(name) for name in NODE_PACKAGES}
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _says("git", "rev-parse", "--short", "HEAD"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "pinned": f"server to core {server_core}, load generator to core {load_core}",
        "load average at the start": f"{os.getloadavg()[0]:.2f}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "node": _says("node", "--version").lstrip("v"),
        "compiler": _says("gcc", "--version"),
        "redis server": _says("redis-server", "--version"),
        "kafka": ", ".join(sorted(file.stem for file in KAFKA.glob("kafka_2.13-*.jar"))) or "-",
    } | {name: version for name, version in versions.items() if version != "-"}
