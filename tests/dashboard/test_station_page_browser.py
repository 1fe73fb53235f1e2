"""Test the served page in a real browser, as a visitor sees and uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import ROOT, complaints, kernels, serious_faults, settle, wait_until
from playwright.sync_api import Browser, Page, Route, expect

pytestmark = pytest.mark.browser

FIRST_CHART = ".js-plotly-plot .barlayer path"
PATIENCE_MS = 60_000


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


def tab(page: Page, name: str) -> None:
    page.locator(".el-tabs").get_by_role("button", name=name, exact=True).click()


def test_page_paints_a_working_station_without_outside_requests(page: Page, served: tuple[str, int]) -> None:
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
    # Without any input its time goes on.
    first = page.locator(".el-time").inner_text()
    expect(page.locator(".el-time")).not_to_have_text(first, timeout=PATIENCE_MS)

    local = (served[0], served[0].replace("http", "ws", 1), "data:", "blob:")
    assert [url for url in requests if not url.startswith(local)] == []
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_arriving_car_is_shown_by_the_chart(page: Page, served: tuple[str, int]) -> None:
    open_page(page, served[0])
    pause(page)
    tab(page, "Site")
    page.get_by_label("Station", exact=True).select_option("ELECTRA_PARIS_15")
    expect(page.locator("h1")).to_have_text("ELECTRA_PARIS_15")
    page.get_by_label("Day", exact=True).select_option("Only the cars you send")
    expect(page.locator(".el-headline")).to_contain_text("No car")

    def tallest_bar() -> float:
        return page.evaluate(
            f"Math.max(...[...document.querySelectorAll('{FIRST_CHART}')].map(b => b.getBBox().height))"
        )

    wait_until(lambda: tallest_bar() == 0, 10, "an empty station has bars")
    tab(page, "Cars")
    page.get_by_role("button", name="A car arrives", exact=True).click()
    expect(page.locator(".el-headline")).to_contain_text("1 car,")
    expect(page.locator(".el-table tbody tr").first).to_contain_text("Tesla Model Y Long Range")
    wait_until(lambda: tallest_bar() > 20, 10, "no bar has grown")
    page.get_by_role("button", name="The car departs").click()
    expect(page.locator(".el-headline")).to_contain_text("No car")


def test_closing_the_page_ends_its_kernel(page: Page, served: tuple[str, int]) -> None:
    url, server_pid = served
    wait_until(lambda: kernels(server_pid) == 0, 15, "kernels of other tests' pages are still there")
    open_page(page, url)
    assert kernels(server_pid) == 1
    page.close(run_before_unload=True)
    wait_until(lambda: kernels(server_pid) == 0, 15, "the kernel outlives its page")


def test_page_fits_a_phone(browser: Browser, served: tuple[str, int]) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    open_page(page, served[0])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    chart = page.locator(".js-plotly-plot .main-svg").first.bounding_box()
    assert chart is not None
    assert 300 <= chart["width"] <= 390
    context.close()


def test_page_follows_a_phone_that_is_turned(browser: Browser, served: tuple[str, int]) -> None:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    said = complaints(page)
    open_page(page, served[0])
    for width, height in ((390, 1040), (1440, 600), (390, 1040), (1024, 600)):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(
            """([width, height]) => {
                const plot = document.querySelector(".js-plotly-plot .main-svg").getBoundingClientRect();
                const room = document.documentElement.scrollWidth;
                return room === width && plot.height === height && plot.width > 0.8 * width;
            }""",
            arg=[width, height],
        )
    assert said == []
    page.context.close()


@pytest.fixture(scope="module")
def evening(browser: Browser, served: tuple[str, int]) -> Iterator[Page]:
    """Return one page for tests that need no fresh one: a link's station, paused, its errors collected."""
    page = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True).new_page()
    errors = complaints(page)
    open_page(page, f"{served[0]}?station=ELECTRA_PARIS_15&day=paris_evening&strategy=uniform")
    expect(page.locator("h1")).to_have_text("ELECTRA_PARIS_15")
    pause(page)
    yield page
    assert errors == []
    page.context.close()


def test_link_carries_station_day_and_strategy(evening: Page) -> None:
    expect(evening.locator(".el-header .el-note")).to_contain_text("made-up evening")
    tab(evening, "Site")
    expect(evening.get_by_label("Strategy", exact=True)).to_have_value("Uniform")
    tab(evening, "Files")
    assert "station=ELECTRA_PARIS_15" in str(evening.get_by_text("Link to this").get_attribute("href"))


def test_press_on_a_car_explains_it_and_lets_it_depart(evening: Page) -> None:
    car = evening.locator(".el-tile", has_text="of").first
    car.click()
    expect(evening.locator(".el-details p").first).to_contain_text("kW")
    cars = evening.locator(".el-table tbody tr").count()
    evening.get_by_role("button", name="This car departs").click()
    expect(evening.locator(".el-details")).to_be_hidden()
    expect(evening.locator(".el-tile .el-invite").first).to_contain_text("a car arrives")
    assert evening.locator(".el-table tbody tr").count() == cars  # a row each connector: nothing jumps


def test_press_on_a_free_connector_opens_an_arrival_there(evening: Page) -> None:
    tab(evening, "Files")
    free = evening.locator(".el-tile", has=evening.locator(".el-invite")).first
    name = str(free.get_attribute("aria-label")).split(",")[0]
    free.focus()
    evening.keyboard.press("Enter")
    expect(evening.get_by_label("Connector", exact=True)).to_have_value(name)
    evening.get_by_label("Search").fill("ioniq 5 73")
    expect(evening.get_by_label("Car", exact=True).locator("option")).to_have_count(2)
    evening.get_by_role("button", name="A car arrives", exact=True).click()
    expect(evening.locator(".el-table")).to_contain_text("Hyundai Ioniq 5 73 kWh")


def test_next_station_keeps_its_own_limit_and_load(page: Page, served: tuple[str, int]) -> None:
    """Replace sliders with the station: one whose range changes would send its old value."""
    open_page(page, f"{served[0]}?station=ELECTRA_PARIS_15&day=paris_evening")
    pause(page)
    tab(page, "Site")
    settle(page)  # a tick under way would bring the slider back
    headline = page.locator(".el-headline")

    def press(name: str, *keys: str) -> None:
        handle = page.locator(f'.noUi-handle[aria-label="{name}"]')
        handle.focus()
        for key in keys:
            handle.press(key)

    press("Grid limit", "Home")
    expect(headline).to_contain_text("0 of 0 kW from the grid")
    press("Grid limit", "End")
    expect(headline).to_contain_text("of 400 kW from the grid")
    press("Grid limit", "PageDown")
    expect(headline).not_to_contain_text("of 400 kW")
    press("Static load", "PageUp")
    expect(page.locator(".el-log")).to_contain_text("Static load set to")
    page.get_by_label("Station", exact=True).select_option("Motorway hub")
    expect(page.locator("h1")).to_have_text("Motorway hub")
    expect(headline).to_contain_text("of 300 kW from the grid")
    page.wait_for_timeout(1500)  # a value that comes back comes later
    expect(headline).to_contain_text("of 300 kW from the grid")
    expect(page.locator(".el-log")).not_to_contain_text("set to")
    expect(page.locator(".widget-slider", has_text="Static load").locator(".widget-readout")).to_have_text(
        "8.0"
    )
    press("Grid limit", "Home", "End")
    expect(headline).to_contain_text("of 300 kW from the grid")


def test_fault_is_shown_until_it_is_mended(evening: Page) -> None:
    tab(evening, "Faults")
    evening.get_by_label("What", exact=True).select_option("Charger CP001")
    evening.get_by_role("button", name="Out of service", exact=True).click()
    expect(evening.locator(".el-diagram")).to_contain_text("out of service")
    evening.get_by_role("button", name="Back in service", exact=True).click()
    expect(evening.locator(".el-diagram")).not_to_contain_text("out of service")
    evening.get_by_role("button", name="The grid limit falls to nothing").click()
    expect(evening.locator(".el-headline")).to_contain_text("0 of 0 kW from the grid")
    evening.get_by_role("button", name="The grid limit is back").click()
    expect(evening.locator(".el-headline")).to_contain_text("of 400 kW from the grid")
    # This station's file has no lease of readings, so its meter cannot go silent.
    expect(evening.get_by_role("button", name="The grid meter goes silent")).to_be_disabled()


def test_comparison_table_comes_and_goes(evening: Page) -> None:
    tab(evening, "What if")
    evening.get_by_label("What if", exact=True).select_option("strategy Max min")
    expect(evening.locator(".el-small tbody tr")).to_have_count(5)
    evening.get_by_label("What if", exact=True).select_option("one more charger")
    expect(evening.locator(".el-note", has_text="one more charger")).to_be_visible()
    evening.get_by_label("What if", exact=True).select_option("nothing else")
    expect(evening.locator(".el-small")).to_have_count(0)


def test_saved_events_can_be_loaded_again(evening: Page, tmp_path: Path) -> None:
    tab(evening, "Files")
    with evening.expect_download() as download:
        evening.get_by_role("button", name="Events (JSON)").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert all(json.loads(line)["call"] for line in path.read_text("utf-8").splitlines())
    now = evening.locator(".el-headline").inner_text()
    evening.get_by_label("Load events").set_input_files(path)
    expect(evening.locator(".el-log li").first).to_contain_text("loaded")
    expect(evening.locator(".el-headline")).to_have_text(now)


def test_unreadable_file_is_refused_in_a_sentence(evening: Page, tmp_path: Path) -> None:
    tab(evening, "Site")
    for name, content in (("x.json", b"<script>alert(1)</script>"), ("big.json", b" " * 5_000_001)):
        path = tmp_path / name
        path.write_bytes(content)
        evening.get_by_label("A station's file").set_input_files(path)
        said = evening.locator(".el-refusal") if name == "x.json" else evening.get_by_text("at most.")
        expect(said.first).to_contain_text(name)
    expect(evening.locator("h1")).to_have_text("ELECTRA_PARIS_15")


def test_page_without_a_station_offers_to_reload(page: Page, served: tuple[str, int]) -> None:
    def emptied(route: Route) -> None:
        answer = route.fetch()
        begin, end = "<script>electra.started()</script>", "</main>"
        text = answer.text()
        kept = text[: text.index(begin) + len(begin)] + text[text.index(end) :]
        route.fulfill(response=answer, body=kept)

    page.route(served[0], emptied)
    page.goto(served[0], wait_until="commit")
    expect(page.locator("#electra-stopped")).to_contain_text("could not start", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Reload")).to_be_visible()


def test_unknown_link_is_refused_in_a_sentence(page: Page, served: tuple[str, int]) -> None:
    open_page(page, f"{served[0]}?station=%3Cb%3Enowhere")
    expect(page.locator(".el-refusal")).to_contain_text("names a station '<b>nowhere'")


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_serious_accessibility_fault(
    browser: Browser, served: tuple[str, int], width: int, scheme: str
) -> None:
    """Find no serious fault and no scrolling sideways; and take a picture for people to look at."""
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    open_page(page, served[0])
    pause(page)
    page.wait_for_timeout(1000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    folder = ROOT / "tests" / "screenshots"
    folder.mkdir(exist_ok=True)
    page.screenshot(path=folder / f"station-{width}-{scheme}.png", full_page=True)
    assert serious_faults(page) == []
    context.close()
