"""Many at once on the public page: ``python -m benchmarks.visitors --visitors 20 --minutes 10``.

Every visitor is a browser context of its own in one Chromium. They come one after the other, take strategies
and speeds by turns, let their clocks run and press "+1 min" now and then. In the end all clocks are paused
and each visitor lets its own number of minutes pass: it must see these, and its strategy and speed. Printed
are memory, response times, and how long kernels live on when all have left.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from playwright.sync_api import Browser, Error, Page

from tests.browser import complaints, kernel_processes, kernels, open_browser, serve_page, wait_until

FIRST_PAINT_MS = 180_000
ANSWER_MS = 60_000
POOL = 2  # voila_public.json
PAUSE_S = 5.0  # between a visitor's actions


@dataclass
class Visitor:
    """A page, its actions, and its response times."""

    number: int
    page: Page
    strategy: str = ""
    speed: str = ""
    opened_s: float = 0.0
    noted: int = 0
    lost: bool = False
    answers_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.complaints = complaints(self.page)

    def open(self, url: str) -> None:
        start = time.perf_counter()
        self.page.goto(url, wait_until="commit")
        self.page.wait_for_selector(".el-headline", timeout=FIRST_PAINT_MS)
        self.page.wait_for_selector("html.electra-ready", state="attached", timeout=FIRST_PAINT_MS)
        self.opened_s = time.perf_counter() - start

    def choose(self) -> None:
        """Choose a strategy and a speed by the visitor's number."""
        self.strategy = self._take("Strategy", self.number)
        self.speed = self._take("Speed", self.number)

    def _take(self, label: str, number: int) -> str:
        box = self.page.get_by_label(label, exact=True).first
        # By force: it may be in a part of the page that is folded up.
        box.select_option(index=number % box.locator("option").count(), force=True)
        return self.chosen(label)

    def pause(self) -> None:
        # The clock of a day that is over stops by itself.
        if self.page.get_by_role("button", name="Pause").count():
            self.page.get_by_role("button", name="Pause").click()
        self.page.get_by_role("button", name="Play").wait_for(timeout=ANSWER_MS)

    def step(self) -> None:
        """Let a minute pass, and wait until the page shows it."""
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
        """Return the minute of the day at the station."""
        hours, minutes = re.findall(r"(\d{1,2}):(\d\d)", self.clock())[0]
        return 60 * int(hours) + int(minutes)

    def chosen(self, label: str) -> str:
        box = self.page.get_by_label(label, exact=True).first
        return str(box.evaluate("box => box.options[box.selectedIndex]?.text.trim() ?? ''"))

    def note_time(self) -> None:
        self.noted = self.minute()

    def check(self) -> None:
        """Note what is another visitor's, and whether the page has stopped."""
        passed = (self.minute() - self.noted) % 1440
        if passed != self.number + 1:
            self.complaints.append(f"{self.number + 1} minutes were let pass, and {passed} are seen")
        for label, own in (("Strategy", self.strategy), ("Speed", self.speed)):
            seen = self.chosen(label)
            if seen != own:
                self.complaints.append(f"{label} is {seen!r} and was set to {own!r}")
        if self.page.locator("#electra-stopped").is_visible():
            self.complaints.append(self.page.locator("#electra-stopped").inner_text())


@contextmanager
def served(*options: str, public: bool = True) -> Iterator[tuple[str, int]]:
    """Serve the page on a free port, in the public mode or for one person: its address, the server's id."""
    settings = "voila_public.json" if public else ""
    with TemporaryDirectory() as folder:
        log = Path(folder) / "voila.log"
        with serve_page(log, "station.ipynb", *options, settings=settings) as (url, server):
            yield url, server.pid


def megabytes(process: psutil.Process) -> tuple[float, float]:
    """Return own and shared memory of a process: PSS where the system reports it, and RSS."""
    memory = process.memory_full_info()
    return getattr(memory, "pss", memory.rss) / 1e6, memory.rss / 1e6


def come(browser: Browser, url: str, count: int) -> list[Visitor]:
    visitors = []
    for number in range(count):
        # Without animated dashes: a server does not draw twenty browsers on its own cores.
        context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        visitor = Visitor(number, context.new_page())
        visitors.append(visitor)
        attempt(visitor, lambda who=visitor: (who.open(url), who.choose()))  # type: ignore[misc]
    return visitors


def attempt(visitor: Visitor, action: Callable[[], object]) -> None:
    """Let a visitor act; a page that does not follow is noted, and not used again."""
    if visitor.lost:
        return
    try:
        action()
    except (Error, IndexError) as error:
        visitor.lost = True
        visitor.complaints.append(f"{time.strftime('%H:%M:%S')} {str(error).splitlines()[0]}")
        print(f"visitor {visitor.number} is lost: {visitor.complaints[-1]}", flush=True)


def stay(visitors: list[Visitor], minutes: float) -> None:
    """Let clocks run, and one visitor after another press "+1 min"."""
    end = time.monotonic() + 60.0 * minutes
    turn = 0
    while time.monotonic() < end:
        attempt(visitors[turn % len(visitors)], visitors[turn % len(visitors)].step)
        turn += 1
        visitors[0].page.wait_for_timeout(1000.0 * PAUSE_S / len(visitors))


def compare(visitors: list[Visitor]) -> None:
    """Pause all clocks, let each visitor's own number of minutes pass, and check what each sees."""
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


def report(visitors: list[Visitor], server_pid: int) -> None:
    """Print response times and memory."""
    opened = sorted(visitor.opened_s for visitor in visitors)
    answered = sorted(each for visitor in visitors for each in visitor.answers_s)
    memory = [megabytes(kernel) for kernel in kernel_processes(server_pid)]
    print(f"opened: median {statistics.median(opened):.1f} s, slowest {opened[-1]:.1f} s")
    print(
        f"answers to +1 min: {len(answered)}, median {1e3 * statistics.median(answered):.0f} ms,"
        f" 95 % within {1e3 * answered[int(0.95 * (len(answered) - 1))]:.0f} ms, slowest {answered[-1]:.2f} s"
    )
    pss, rss = (statistics.mean(each) for each in zip(*memory, strict=True))
    print(f"kernels, the pool's included: {len(memory)}, on average {pss:.0f} MB (PSS), {rss:.0f} MB (RSS)")
    print(f"server: {megabytes(psutil.Process(server_pid))[0]:.0f} MB (PSS)")


def main() -> int:
    """Run the benchmark; the exit code is 1 if a visitor has noted an error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--visitors", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=1.0)
    wanted = parser.parse_args()
    with served(f"--VisitorKernels.max_kernels={wanted.visitors}") as (url, server_pid):
        with open_browser() as browser:
            wait_until(lambda: kernels(server_pid) == POOL, 60, "the pool does not fill")
            visitors = come(browser, url, wanted.visitors)
            stay(visitors, wanted.minutes)
            compare(visitors)
            report(visitors, server_pid)
        gone_s = wait_until(lambda: kernels(server_pid) <= POOL, 120, "kernels outlive their pages")
        print(f"after the last has left: {gone_s:.1f} s until only the pool of {POOL} is there")
    for visitor in visitors:
        for complaint in visitor.complaints:
            print(f"visitor {visitor.number}: {complaint}")
    bad = sum(bool(visitor.complaints) for visitor in visitors)
    print(f"{len(visitors) - bad} of {len(visitors)} visitors have nothing to complain about")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
