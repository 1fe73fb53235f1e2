"""Measure the speed of the page: ``python -m benchmarks.page``.

Printed are the time to the first chart with a cold and with a warm kernel, and for stations of 2, 8 and 50
connectors, each with a car: the time from a click on "+1 min" until chart and clock are painted, and what the
browser receives for it. Server and browser share this machine.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize

from benchmarks.visitors import POOL, served
from tests.browser import kernels, open_browser, wait_until

FIRST_CHART = ".js-plotly-plot .barlayer path"
VIEWPORT: ViewportSize = {"width": 1440, "height": 1000}
OPENED, CLICKS, WARM_UP = 5, 50, 5
CARS = ("Renault Zoe 50", "Hyundai Ioniq 5 73 kWh", "Tesla Model Y Long Range")

# Resolves when the clock has changed, the chart is plotted, and the frame after both is there.
CLICK = """async () => {
  const chart = document.querySelector(".js-plotly-plot"), clock = document.querySelector(".el-time");
  const button = [...document.querySelectorAll("button")].find(each => each.innerText.trim() === "+1 min");
  const before = clock.innerText, start = performance.now();
  const plotted = new Promise(done => chart.once("plotly_afterplot", done));
  button.click();
  await plotted;
  while (document.querySelector(".el-time").innerText === before) await new Promise(requestAnimationFrame);
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""


def station(connectors: int) -> dict[str, Any]:
    """Return a station of chargers with two connectors, whose cars want more than it has."""
    chargers = [{"id": f"C{count:02d}", "maxPower": 200, "connectors": 2} for count in range(connectors // 2)]
    battery = {"initialCapacity": 20 * connectors, "initialSoc": 0.9, "power": 10 * connectors}
    grid_kw = 50 * connectors
    return {"stationId": f"B{connectors}", "gridCapacity": grid_kw, "chargers": chargers, "battery": battery}


def sessions(connectors: int) -> str:
    """Return the sessions of a car at each connector for hours."""
    rows = [
        f"{count},{10 * count},36000,{CARS[count % len(CARS)]},0.05,0.95,C{count // 2:02d},{count % 2 + 1}"
        for count in range(connectors)
    ]
    head = "session_id,arrival_s,departure_s,vehicle,arrival_soc,target_soc,charger_id,connector"
    return "\n".join([head, *rows]) + "\n"


def show(page: Page, url: str) -> float:
    """Open an address in a page until the first chart is painted; return the time it took, s."""
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(FIRST_CHART, timeout=120_000)
    return time.perf_counter() - start


def first_chart_s(browser: Browser, url: str) -> float:
    """Return the time from the address to the painted chart, in a page of its own, s."""
    with browser.new_page(viewport=VIEWPORT) as page:
        return show(page, url)


def clicks(browser: Browser, url: str, connectors: int, folder: Path) -> tuple[list[float], list[int]]:
    """Return times, ms, and bytes received, of one click after another at a full station."""
    page = browser.new_page(viewport=VIEWPORT)
    show(page, url)
    page.get_by_role("button", name="Pause").click()
    config, cars = folder / f"b{connectors}.json", folder / f"b{connectors}.csv"
    config.write_text(json.dumps(station(connectors)), "utf-8")
    cars.write_text(sessions(connectors), "utf-8")
    page.locator(".el-tabs").get_by_role("button", name="Site", exact=True).click()
    page.get_by_label("A station's file").set_input_files(config)
    page.get_by_text(f"B{connectors}").first.wait_for(timeout=30_000)
    page.get_by_label("A day of sessions").set_input_files(cars)
    page.get_by_text(f"b{connectors}.csv").first.wait_for(timeout=30_000)
    if page.get_by_role("button", name="Pause").count():
        page.get_by_role("button", name="Pause").click()
    fill(page, connectors)
    received = Received(page)
    times_ms, sizes = [], []
    for _ in range(CLICKS + WARM_UP):
        received.size = 0
        times_ms.append(float(page.evaluate(CLICK)))
        page.wait_for_timeout(150)
        sizes.append(received.size)
    page.close()
    return times_ms[WARM_UP:], sizes[WARM_UP:]


def fill(page: Page, connectors: int) -> None:
    """Let minutes pass until every car is there."""
    for _ in range(30):
        if page.locator(".el-table tbody tr").filter(has_text="%").count() >= connectors:
            return
        page.evaluate(CLICK)
    raise RuntimeError("the cars did not come")


class Received:
    """The bytes that arrive on the page's websockets."""

    def __init__(self, page: Page) -> None:
        self.size = 0
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        line.on("Network.webSocketFrameReceived", self._count)

    def _count(self, frame: Any) -> None:
        text = frame["response"]["payloadData"]  # base64 where it is binary
        self.size += len(text) * 3 // 4 if frame["response"]["opcode"] == 2 else len(text)


def rows(browser: Browser, folder: Path) -> Iterator[str]:
    """Yield the lines of the table."""
    with served(public=False) as (url, _):
        cold = sorted(first_chart_s(browser, url) for _ in range(OPENED))
        yield f"| first chart, cold kernel | {statistics.median(cold):.2f} s | {cold[-1]:.2f} s | |"
        for connectors in (2, 8, 50):
            times_ms, sizes = clicks(browser, url, connectors, folder)
            p95 = statistics.quantiles(times_ms, n=20)[-1]
            size = f"{statistics.median(sizes) / 1e3:.0f} kB"
            words = f"click to painted, {connectors} connectors"
            yield f"| {words} | {statistics.median(times_ms):.0f} ms | {p95:.0f} ms | {size} |"
    with served() as (url, server_pid):
        warm = []
        for _ in range(OPENED):
            wait_until(lambda: kernels(server_pid) == POOL, 60, "the pool does not fill")
            time.sleep(3.0)  # the last one's page is made once its kernel is there
            warm.append(first_chart_s(browser, url))
        yield f"| first chart, warm kernel | {statistics.median(warm):.2f} s | {max(warm):.2f} s | |"


def main() -> None:
    """Measure, and print a small table."""
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        print("| what | median | 95 %, or slowest of 5 | received |\n|---|---|---|---|", flush=True)
        for row in rows(browser, Path(folder)):
            print(row, flush=True)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
