"""Many at once on the public page: ``python -m benchmarks.visitors --visitors 20 --minutes 10``.

Every visitor is a browser context of its own in one Chromium. They come one after the other, take strategies
and speeds by turns, let their clocks run and press "+1 min" now and then. In the end all clocks rest and each
visitor lets a number of minutes pass that is nobody else's: it must see these, and its strategy and speed.
Printed are memory, times of answers, and how long kernels live on when all have left.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from playwright.sync_api import Browser, Error, Page, sync_playwright

ROOT = Path(__file__).parents[1]
FIRST_PAINT_MS = 180_000
ANSWER_MS = 60_000
POOL = 2  # voila_public.json
QUIET = ("--no-sandbox", "--disable-gpu")
PAUSE_S = 5.0  # between a visitor's deeds


@dataclass
class Visitor:
    """One page, and what it has done."""

    number: int
    page: Page
    strategy: str = ""
    speed: str = ""
    opened_s: float = 0.0
    noted: int = 0
    lost: bool = False
    answers_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note whatever the page complains about."""
        note = self.complaints.append
        self.page.on("pageerror", lambda error: note(f"page: {error}"))
        self.page.on("console", lambda said: note(f"console: {said.text}") if said.type == "error" else None)

    def open(self, url: str) -> None:
        start = time.perf_counter()
        self.page.goto(url, wait_until="commit")
        self.page.wait_for_selector(".el-headline", timeout=FIRST_PAINT_MS)
        self.page.wait_for_selector("html.electra-ready", state="attached", timeout=FIRST_PAINT_MS)
        self.opened_s = time.perf_counter() - start

    def choose(self) -> None:
        """Take a strategy and a speed by the visitor's number."""
        self.strategy = self._take("Strategy", self.number)
        self.speed = self._take("Speed", self.number)

    def _take(self, label: str, number: int) -> str:
        box = self.page.get_by_label(label, exact=True).first
        # By force: it may be in a part of the page that is folded up.
        box.select_option(index=number % box.locator("option").count(), force=True)
        return self.chosen(label)

    def pause(self) -> None:
        # The clock of a day that is over rests by itself.
        if self.page.get_by_role("button", name="Pause").count():
            self.page.get_by_role("button", name="Pause").click()
        self.page.get_by_role("button", name="Play").wait_for(timeout=ANSWER_MS)

    def step(self) -> None:
        """Let a minute pass, and wait until the page says so."""
        before = self.clock()
        start = time.perf_counter()
        self.page.get_by_role("button", name="+1 min", exact=True).click()
        self.page.wait_for_function(
            "before => document.querySelector('.el-time')?.innerText !== before",
            arg=before,
            timeout=ANSWER_MS,
        )
        self.answers_s.append(time.perf_counter() - start)

    def clock(self) -> str:
        return self.page.locator(".el-time").first.inner_text()

    def minute(self) -> int:
        """The minute of the day at the station."""
        hours, minutes = re.findall(r"(\d{1,2}):(\d\d)", self.clock())[0]
        return 60 * int(hours) + int(minutes)

    def chosen(self, label: str) -> str:
        box = self.page.get_by_label(label, exact=True).first
        return str(box.evaluate("box => box.options[box.selectedIndex]?.text.trim() ?? ''"))

    def note_time(self) -> None:
        self.noted = self.minute()

    def check(self) -> None:
        """Nothing here is somebody else's, and nothing has stopped."""
        passed = (self.minute() - self.noted) % 1440
        if passed != self.number + 1:
            self.complaints.append(f"{self.number + 1} minutes were let pass, and {passed} are seen")
        for label, own in (("Strategy", self.strategy), ("Speed", self.speed)):
            seen = self.chosen(label)
            if seen != own:
                self.complaints.append(f"{label} is {seen!r} and was set to {own!r}")
        if self.page.locator("#electra-stopped").is_visible():
            self.complaints.append(self.page.locator("#electra-stopped").inner_text())


def chromium() -> str:
    """Where it is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    return path or sys.exit("there is no Chromium on this machine")


@contextmanager
def served(*more: str, public: bool = True) -> Iterator[tuple[str, psutil.Process]]:
    """The page on a free port, in the public mode or for one person, with more options of Voila."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", "notebooks/station.ipynb", "--no-browser", f"--port={port}"]
    environ = {**os.environ, "ELECTRA_VOILA": "voila_public.json" if public else ""}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, *more], cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_for(lambda: answers(port), 60)
            yield f"http://127.0.0.1:{port}/", psutil.Process(server.pid)
        finally:
            server.terminate()
            server.wait(timeout=60)


def answers(port: int) -> bool:
    try:
        return bool(urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js", timeout=2))
    except URLError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float) -> float:
    """How long it took, s; more than ``seconds`` is a failure."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - start


def kernels(server: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in server.children(recursive=True):
        try:
            if "ipykernel" in " ".join(child.cmdline()):
                found.append(child)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it ended while we looked
            continue
    return found


def megabytes(process: psutil.Process) -> tuple[float, float]:
    """Own and shared memory of a process: PSS where the system tells it, and RSS."""
    memory = process.memory_full_info()
    return getattr(memory, "pss", memory.rss) / 1e6, memory.rss / 1e6


def come(browser: Browser, url: str, count: int) -> list[Visitor]:
    visitors = []
    for number in range(count):
        # Without moving dashes: twenty browsers that draw are not what a server has on its cores.
        context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        visitor = Visitor(number, context.new_page())
        visitor.watch()
        visitors.append(visitor)
        attempt(visitor, lambda who=visitor: (who.open(url), who.choose()))  # type: ignore[misc]
    return visitors


def attempt(visitor: Visitor, deed: Callable[[], object]) -> None:
    """Do it; a page that does not follow is a complaint, not the end, and is not asked again."""
    if visitor.lost:
        return
    try:
        deed()
    except (Error, IndexError) as error:
        visitor.lost = True
        visitor.complaints.append(f"{time.strftime('%H:%M:%S')} {str(error).splitlines()[0]}")
        print(f"visitor {visitor.number} is lost: {visitor.complaints[-1]}", flush=True)


def stay(visitors: list[Visitor], minutes: float) -> None:
    """Clocks run; one visitor after another lets a minute pass."""
    end = time.monotonic() + 60.0 * minutes
    turn = 0
    while time.monotonic() < end:
        attempt(visitors[turn % len(visitors)], visitors[turn % len(visitors)].step)
        turn += 1
        visitors[0].page.wait_for_timeout(1000.0 * PAUSE_S / len(visitors))


def compare(visitors: list[Visitor]) -> None:
    """With all clocks at rest, only one's own minutes pass, and each has another number of them."""
    for visitor in visitors:
        attempt(visitor, visitor.pause)
    visitors[0].page.wait_for_timeout(2000)
    for visitor in visitors:
        attempt(visitor, visitor.note_time)
    for round_ in range(len(visitors)):
        for visitor in visitors[round_:]:
            attempt(visitor, visitor.step)
    for visitor in visitors:
        attempt(visitor, visitor.check)


def report(visitors: list[Visitor], server: psutil.Process) -> None:
    opened = sorted(visitor.opened_s for visitor in visitors)
    answered = sorted(each for visitor in visitors for each in visitor.answers_s)
    memory = [megabytes(kernel) for kernel in kernels(server)]
    print(f"opened: median {statistics.median(opened):.1f} s, slowest {opened[-1]:.1f} s")
    print(
        f"answers to +1 min: {len(answered)}, median {1e3 * statistics.median(answered):.0f} ms,"
        f" 95 % within {1e3 * answered[int(0.95 * (len(answered) - 1))]:.0f} ms, slowest {answered[-1]:.2f} s"
    )
    pss, rss = (statistics.mean(each) for each in zip(*memory, strict=True))
    print(f"kernels, the pool's included: {len(memory)}, on average {pss:.0f} MB (PSS), {rss:.0f} MB (RSS)")
    print(f"server: {megabytes(server)[0]:.0f} MB (PSS)")


def main() -> int:
    """Run it; the exit code says whether a visitor had something to complain about."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--visitors", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=1.0)
    wanted = parser.parse_args()
    most = f"--VisitorKernels.max_kernels={wanted.visitors}"
    with served(most) as (url, server), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(QUIET))
        wait_for(lambda: len(kernels(server)) == POOL, 60)
        visitors = come(browser, url, wanted.visitors)
        stay(visitors, wanted.minutes)
        compare(visitors)
        report(visitors, server)
        browser.close()
        gone_s = wait_for(lambda: len(kernels(server)) <= POOL, 120)
        print(f"after the last has left: {gone_s:.1f} s until only the pool of {POOL} is there")
    for visitor in visitors:
        for complaint in visitor.complaints:
            print(f"visitor {visitor.number}: {complaint}")
    bad = sum(bool(visitor.complaints) for visitor in visitors)
    print(f"{len(visitors) - bad} of {len(visitors)} visitors have nothing to complain about")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
