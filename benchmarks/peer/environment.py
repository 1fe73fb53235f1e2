"""The peer's own environment, made once: its old packages and ours need not agree."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
FOLDER = HERE / ".venv"
# Written last, so that an environment that was not finished is made anew.
STAMP = FOLDER / "made_from.txt"
INSTALL_LIMIT_S = 900


class PeerUnavailableError(RuntimeError):
    """The peer cannot be run here; a benchmark says so and goes on without it."""


def peer_python() -> Path:
    """The Python of the peer's environment, which is made first where there is none for today's list."""
    if not (STAMP.exists() and STAMP.read_text("utf-8") == fingerprint() and python_path().exists()):
        make()
        STAMP.write_text(fingerprint(), "utf-8")
    return python_path()


def fingerprint() -> str:
    """What the environment depends on: the list of packages and the Python that runs it."""
    return hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()


def python_path() -> Path:
    """Where an environment keeps its Python."""
    return FOLDER / "Scripts/python.exe" if os.name == "nt" else FOLDER / "bin/python"


def make() -> None:
    """An empty environment, then the packages of the list."""
    print("Making the peer's environment (once, about 400 MB) ...", file=sys.stderr)
    call([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
    pip = [str(python_path()), "-m", "pip", "install", "--quiet", "--retries", "2", "--no-deps"]
    call([*pip, "--only-binary", ":all:", "-r", str(REQUIREMENTS)])


def call(command: list[str]) -> None:
    """Run it; what went wrong is said in its own last words."""
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False, env=environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailableError(f"the peer's environment cannot be made: {error}") from error
    if run.returncode != 0:
        words = (run.stderr or run.stdout).strip().splitlines()[-1:] or ["no reason given"]
        raise PeerUnavailableError(f"the peer's environment cannot be made (no network?): {words[0]}")


def environment() -> dict[str, str]:
    """This process's variables without those that would let our own packages into the peer."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
