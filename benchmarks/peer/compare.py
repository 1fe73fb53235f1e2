"""The peer's seconds and answers on a file of sessions.

A benchmark calls ``run_peer``. By hand, from the project's root, every algorithm at every limit::

    python -m benchmarks.peer.compare sessions.csv --limit-kw 10 20 --algorithm edf llf -o peer.json

Without ``-o`` it only prints.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

from .environment import HERE, PeerUnavailableError, environment, peer_python

SCRIPT = HERE / "run_acnportal.py"
# One core, like a run of ours: numpy's helpers only disturb on matrices this small.
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run_peer(
    sessions_csv: Path,
    limit_kw: float,
    algorithm: str = "edf",
    *,
    step_minutes: float = 5,
    max_kw: float = 6.6,
    voltage: float = 208,
    published: bool = False,
    energies_csv: Path | None = None,
) -> dict[str, Any]:
    """One run of acnportal, in a process of its own: what ``run_acnportal.py`` prints.

    ``published`` takes the stations of the published comparison; ``energies_csv`` is written with what each
    session got. Raises ``PeerUnavailableError`` where its environment cannot be made.
    """
    options: dict[str, Any] = {
        "limit-kw": limit_kw,
        "algorithm": algorithm,
        "step-minutes": step_minutes,
        "max-kw": max_kw,
        "voltage": voltage,
    }
    if energies_csv:
        options["energies"] = energies_csv
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return last_line([str(sessions_csv), *words, *(["--published"] if published else [])])


def last_line(arguments: list[str]) -> dict[str, Any]:
    """Call the script with the peer's Python (-I: nothing of ours on its path) and read its answer."""
    command = [str(peer_python()), "-I", str(SCRIPT), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment() | ONE_CORE)
    if run.returncode != 0:
        words = run.stderr.strip().splitlines()[-1:] or [f"it ended with {run.returncode}"]
        raise RuntimeError(f"acnportal did not finish: {words[0]}")
    answer: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return answer


def sentence(result: dict[str, Any]) -> str:
    """A run in one line."""
    return (
        f"{result['algorithm']:>12} at {result['limit_kw']:g} kW: {result['delivered_share']:.2%} delivered, "
        f"{result['run_s']:.2f} s, {result['session_steps'] / result['run_s']:,.0f} session-steps a second"
    )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="acnportal's seconds and answers on a file of sessions.")
    parser.add_argument("sessions", type=Path, help="CSV")
    parser.add_argument("--limit-kw", type=float, nargs="+", required=True, help="of the site")
    parser.add_argument("--algorithm", nargs="+", default=["edf"])
    parser.add_argument("--step-minutes", type=float, default=5)
    parser.add_argument("--max-kw", type=float, default=6.6, help="of a car")
    parser.add_argument("--voltage", type=float, default=208)
    parser.add_argument("--published", action="store_true", help="stations of the published comparison")
    parser.add_argument("-o", "--output", type=Path, help="JSON to write")
    return parser.parse_args()


def main() -> None:
    """Every algorithm at every limit."""
    options = parse()
    same = {name: getattr(options, name) for name in ("step_minutes", "max_kw", "voltage", "published")}
    results = []
    for algorithm, limit_kw in product(options.algorithm, options.limit_kw):
        results.append(run_peer(options.sessions, limit_kw, algorithm, **same))
        print(sentence(results[-1]), flush=True)
    if options.output:
        record = {"peer": "acnportal", "file": options.sessions.name, **same, "runs": results}
        options.output.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    try:
        main()
    except PeerUnavailableError as error:
        sys.exit(f"The peer is left out: {error}")
