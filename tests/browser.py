"""A served page and a real browser for the tests of what a hand does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import psutil
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing of the browser's own may look for a network: the tests count every request.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_browser() -> str:
    """The installed browser; without one the test is skipped, but never where CI counts on it."""
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    if os.environ.get("CI"):
        pytest.fail("CI must run the browser tests, and there is no chromium on this machine")
    pytest.skip(f"no browser found, looked for {', '.join(BROWSERS)}")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser without a window."""
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def serve_page(log: Path, what: str = "station.ipynb") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`voila notebooks/station.ipynb` as the README starts it, or others, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", f"notebooks/{what}", "--no-browser", f"--port={port}"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: _answers(port), 60, f"voila does not answer; see {log}")
        yield f"http://127.0.0.1:{port}/", server
    finally:
        server.terminate()
        server.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        # A static file, because the page itself would start a kernel.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js", timeout=2):
            return True
    except URLError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(0.1)


def kernels(server_pid: int) -> int:
    """How many kernels a server has."""
    return sum(is_kernel(child) for child in psutil.Process(server_pid).children(recursive=True))


def is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it ended while we looked
        return False


def serious_faults(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from using the page."""
    axe = ROOT / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        assert not os.environ.get("CI"), "CI must look for accessibility faults: npm install"
        pytest.skip("axe-core is not installed: npm install")
    page.evaluate(axe.read_text("utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def complaints(page: Page) -> list[str]:
    """A list that grows with whatever the page complains about."""
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    return said
