"""Makes what the benchmark needs beside Python's packages: the C programs, and Node's packages."""

import shutil
import subprocess
from pathlib import Path

from bench.process import BenchError
from bench.servers import BENCH, BINARIES, PEERS

PROGRAMS = {
    "wsload": BENCH / "wsload.c",
    "storm": BENCH / "storm.c",
    "stall": BENCH / "stall.c",
    "cloop": PEERS / "cloop.c",
}


def _run(words: list[str], cwd: Path) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words)}:\n{done.stderr.strip()[-2000:]}")


def build_programs() -> None:
    """Compile what is older than its sources."""
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        raise BenchError("a C compiler is needed for the load generator")
    compiler = "gcc" if shutil.which("gcc") else "cc"
    BINARIES.mkdir(exist_ok=True)
    newest = max(path.stat().st_mtime for path in (*BENCH.glob("*.h"), *PROGRAMS.values()))
    for name, source in PROGRAMS.items():
        target = BINARIES / name
        if not target.exists() or target.stat().st_mtime < newest:
            _run([compiler, "-O2", "-Wall", "-o", str(target), str(source)], BENCH)


def install_node_packages() -> str | None:
    """Install the pinned packages unless they are there; returns what hinders it, or None."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node is not there"
    installed = PEERS / "node_modules" / ".package-lock.json"
    lock = PEERS / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return None
    # bufferutil ships its binary; nothing here needs an install script.
    try:
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], PEERS)
    except BenchError as error:
        return str(error)
    return None
