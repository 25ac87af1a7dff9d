"""Coverage-guided fuzzing of both codecs with atheris.

    python -m tests.fuzz.codecs json --seconds 60 [--findings DIR]

It ends with 0 when the time is over, and with another code at the first input that breaks what `target` demands;
the input is then in DIR, to be put into `regressions/` once the fault is repaired.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hubbub.protocol"]):
    from tests.fuzz.target import CODECS, attempt, seeds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.codecs")
    parser.add_argument("codec", choices=CODECS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--findings", type=Path, default=Path("reports/fuzz"))
    options = parser.parse_args()
    options.findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds(options.codec)):
            Path(folder, str(number)).write_bytes(seed)
        arguments = [
            sys.argv[0],
            f"-max_total_time={options.seconds}",
            f"-artifact_prefix={options.findings}/",
            # Long enough for a message of every type to grow, short enough to be quick.
            "-max_len=2048",
            "-timeout=10",
            "-print_final_stats=1",
            folder,
        ]
        atheris.Setup(arguments, lambda data: attempt(options.codec, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
