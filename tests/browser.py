"""Voila servers, a real browser, and checks of a page, for the tests and the benchmarks."""

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
# Without requests of the browser's own, because tests count every request.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# An option of Voila: the kernel of a closed page soon leaves the processors to the next one.
ENDS_SOON = "--VisitorKernels.reconnect_within_s=2"


def find_browser() -> str:
    """Return the path of the installed browser; skip the test without one, but never in CI."""
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    if os.environ.get("CI"):
        pytest.fail("CI must run the browser tests, and there is no chromium on this machine")
    pytest.skip(f"no browser found, looked for {', '.join(BROWSERS)}")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Open a browser without a window.

    While it is open, Playwright has an event loop that runs in this thread, so that code with `asyncio.run`
    fails: close it before other tests.
    """
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def serve_page(
    log: Path, what: str = "station.ipynb", *options: str, settings: str | Path = ""
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve `voila notebooks/station.ipynb` as in the README, or others, on a free port.

    Parameters
    ----------
    log : file for the output of the server
    what : notebook or folder in `notebooks`
    *options : more options of Voila
    settings : one more file of settings, as `voila_public.json`
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", f"notebooks/{what}", "--no-browser", f"--port={port}"]
    environ = {**os.environ, "ELECTRA_VOILA": str(settings)}
    with log.open("wb") as output:
        server = subprocess.Popen([*command, *options], cwd=ROOT, env=environ, stdout=output, stderr=output)
    try:
        wait_until(lambda: _answers(port), 60, f"voila does not answer; see {log}")
        yield f"http://127.0.0.1:{port}/", server
    finally:
        server.terminate()
        server.wait(timeout=60)


def _answers(port: int) -> bool:
    try:
        # A static file, because the page itself would start a kernel.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js", timeout=2):
            return True
    except URLError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float, complaint: str) -> float:
    """Wait until another process has done something, and return how long that took, s."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, complaint
        time.sleep(0.05)
    return time.monotonic() - start


def kernels(server_pid: int) -> int:
    """Return the number of a server's kernels."""
    return len(kernel_processes(server_pid))


def kernel_processes(server_pid: int) -> list[psutil.Process]:
    """Return the kernels of a server."""
    return [child for child in psutil.Process(server_pid).children(recursive=True) if _is_kernel(child)]


def _is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it has just ended
        return False


def serious_faults(page: Page) -> list[str]:
    """Return the serious accessibility faults that axe-core finds."""
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
    """Return a list that grows with each error of a page."""
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    return said


def settle(page: Page) -> None:
    """Wait until charts have the width of their places, and two frames are painted with nothing changed."""
    page.evaluate(
        """async () => {
            const shape = () => [...document.querySelectorAll(".js-plotly-plot .main-svg, .el-page")]
                .map((part) => Object.values(part.getBoundingClientRect().toJSON())).join();
            const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)));
            for (let before = null; before !== shape(); await frame()) before = shape();
        }"""
    )
