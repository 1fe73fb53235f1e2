"""The comparison page in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import ROOT, complaints, serious_faults, settle
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

# The first run of an installation compiles the simulation.
PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def page(browser: Browser, serve: Callable[[str], tuple[str, int]]) -> Iterator[Page]:
    page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    said = complaints(page)
    page.goto(serve("compare.ipynb")[0], wait_until="commit")
    expect(page.locator(".el-results tbody tr").first).to_be_visible(timeout=PATIENCE_MS)
    yield page
    assert said == []
    page.context.close()


def results(page: Page) -> str:
    return page.locator(".el-results").inner_text()


def test_page_opens_with_strategies_side_by_side_and_names_the_best(page: Page) -> None:
    expect(page.locator(".el-finding")).to_contain_text("delivers most")
    for row in ("kWh", "Fairness", "Regret"):
        expect(page.locator(".el-results")).to_contain_text(row, ignore_case=True)
    assert page.locator(".js-plotly-plot .scatterlayer path").count() > 3


def test_run_takes_the_chosen_log_and_strategies(page: Page) -> None:
    columns = page.locator(".el-results thead th").count()
    page.get_by_label("Log", exact=True).select_option(index=1)
    page.locator(".el-checks").get_by_label("priority").first.check()
    before = results(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".el-results thead th")).to_have_count(columns + 1, timeout=PATIENCE_MS)
    assert results(page) != before
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()


def test_month_of_another_station_runs(page: Page) -> None:
    page.get_by_label("Station", exact=True).select_option(label="ELECTRA_PARIS_15")
    log = page.get_by_label("Log", exact=True)
    months = [text for text in log.locator("option").all_inner_texts() if "month" in text or "30" in text]
    log.select_option(label=months[0])
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".el-results caption")).to_contain_text(months[0][:20], timeout=PATIENCE_MS)


def test_file_that_is_no_log_is_refused_in_a_sentence(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"<script>alert(1)</script>")
    before = results(page)
    page.get_by_label("Your own log").set_input_files(path)
    expect(page.locator(".el-progress .el-refusal")).to_contain_text("mine.csv")
    assert results(page) == before


def test_results_are_downloaded(page: Page) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name="Results (CSV)").click()
    assert download.value.suggested_filename == "comparison.csv"
    assert "delivered_kwh" in Path(download.value.path()).read_text("utf-8")


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible_and_does_not_scroll_sideways(page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)
    settle(page)
    folder = ROOT / "tests" / "screenshots"
    folder.mkdir(exist_ok=True)
    page.screenshot(path=folder / f"compare-{width}-{scheme}.png", full_page=True)
    assert serious_faults(page) == []
