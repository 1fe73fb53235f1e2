"""Every lesson under Voila: a control changes a chart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser import complaints, serious_faults
from playwright.sync_api import Browser, expect
from test_lessons import NAMES

pytestmark = pytest.mark.browser

PATIENCE_MS = 120_000

# All numbers of the charts below controls, as the browser has them.
CHART = ".el-lesson:has(.el-row-of-controls) .js-plotly-plot"
NUMBERS = f"""JSON.stringify([...document.querySelectorAll("{CHART}")].map(
    (plot) => [plot.data.map((trace) => [trace.x, trace.y]), plot.layout.title.text]))"""


@pytest.mark.parametrize("name", NAMES)
def test_control_changes_the_chart(
    browser: Browser, serve: Callable[[str], tuple[str, int]], name: str
) -> None:
    page = browser.new_context(viewport={"width": 1024, "height": 900}).new_page()
    said = complaints(page)
    page.goto(f"{serve('lessons')[0]}voila/render/{name}.ipynb", wait_until="commit")
    page.wait_for_selector(f"{CHART} .main-svg", timeout=PATIENCE_MS)
    before = page.evaluate(NUMBERS)
    control = page.locator(".el-row-of-controls").first.locator("select, .noUi-handle, input, button").first
    control.scroll_into_view_if_needed()
    if control.evaluate("part => part.tagName") == "SELECT":
        control.select_option(index=1)
    elif control.evaluate("part => part.tagName") == "DIV":
        control.focus()
        for _ in range(5):
            page.keyboard.press("ArrowLeft")
    else:
        control.click()
    page.wait_for_function(f"before => {NUMBERS} !== before", arg=before, timeout=PATIENCE_MS)
    expect(page.locator(".el-refusal")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert serious_faults(page) == []
    assert said == []
    page.context.close()
