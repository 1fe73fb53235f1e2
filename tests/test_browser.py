"""What a visitor sees and does, in a real browser on the served page."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest
from browser import QUIET, find_browser, serve_page, wait_until
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

FIRST_CHART = ".js-plotly-plot .barlayer path"
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    log = tmp_path_factory.mktemp("voila") / "voila.log"
    with serve_page(log) as (url, server):
        yield url, server.pid


@pytest.fixture
def page(browser: Browser, served: tuple[str, int]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    yield page
    context.close()


def open_page(page: Page, url: str) -> None:
    page.goto(url, wait_until="commit")
    page.wait_for_selector(FIRST_CHART, timeout=PATIENCE_MS)
    expect(page.locator(".el-headline")).to_be_visible(timeout=PATIENCE_MS)


def pause(page: Page) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def kernels(server_pid: int) -> int:
    return sum(is_kernel(child) for child in psutil.Process(server_pid).children(recursive=True))


def is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it ended while we looked
        return False


def test_paints_a_working_station_and_asks_nothing_outside(page: Page, served: tuple[str, int]) -> None:
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    open_page(page, served[0])

    expect(page.locator("h1")).to_contain_text("EPFL")
    expect(page.locator(".el-headline")).to_contain_text("of 172.5 kW from the grid")
    expect(page.locator(".el-card").first).to_contain_text("limit 172.5 kW")
    expect(page.locator(".el-table tbody tr")).to_have_count(2)
    # Nobody touches anything, and its time goes on.
    first = page.locator(".el-time").inner_text()
    expect(page.locator(".el-time")).not_to_have_text(first, timeout=PATIENCE_MS)

    local = (served[0], served[0].replace("http", "ws", 1), "data:", "blob:")
    assert [url for url in requests if not url.startswith(local)] == []
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_car_arrives_and_the_chart_shows_it(page: Page, served: tuple[str, int]) -> None:
    open_page(page, served[0])
    pause(page)
    page.get_by_label("Station").select_option("ELECTRA_PARIS_15")
    expect(page.locator("h1")).to_have_text("ELECTRA_PARIS_15")
    page.get_by_label("Day").select_option("Only the cars you send")
    expect(page.locator(".el-headline")).to_contain_text("No car")

    def tallest_bar() -> float:
        return page.evaluate(
            f"Math.max(...[...document.querySelectorAll('{FIRST_CHART}')].map(b => b.getBBox().height))"
        )

    wait_until(lambda: tallest_bar() == 0, 10, "an empty station has bars")
    page.get_by_role("button", name="A car arrives").click()
    expect(page.locator(".el-headline")).to_contain_text("1 car,")
    expect(page.locator(".el-table tbody tr")).to_contain_text(["Tesla Model Y Long Range"])
    wait_until(lambda: tallest_bar() > 20, 10, "no bar has grown")
    page.get_by_role("button", name="The car departs").click()
    expect(page.locator(".el-headline")).to_contain_text("No car")


def test_closing_the_page_ends_its_kernel(page: Page, served: tuple[str, int]) -> None:
    url, server_pid = served
    before = kernels(server_pid)
    open_page(page, url)
    assert kernels(server_pid) == before + 1
    page.close(run_before_unload=True)
    wait_until(lambda: kernels(server_pid) <= before, 15, "the kernel outlives its page")


def test_fits_a_phone(browser: Browser, served: tuple[str, int]) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    open_page(page, served[0])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    chart = page.locator(".js-plotly-plot .main-svg").first.bounding_box()
    assert chart is not None
    assert 300 <= chart["width"] <= 390
    context.close()
