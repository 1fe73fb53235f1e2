"""The helpers of the lessons: pure figures, and charts that controls change in place."""

from __future__ import annotations

import doctest
import json
import math
from types import ModuleType

import plotly.graph_objects as go
import pytest

import lesson_charts
import lesson_widgets
from electra_core.dashboard.figures.colours import BATTERY, GRID, LIMIT
from electra_core.errors import BadValueError
from lesson_charts import bars, curves, steps
from lesson_widgets import choice, live, press, slider, switch


def draw(kw: float = 1.0, name: str = "A", half: bool = False, again: int = 0) -> go.Figure:
    if kw < 0.0:
        raise BadValueError(f"{kw:g} kW is <less> than nothing")
    part = 0.5 if half else 1.0
    return bars(
        [name, "B"], {"grid": [part * kw, again], "battery": [0.0, 1.0]}, f"{kw:g} kW", lines={"limit": kw}
    )


def test_control_changes_the_traces_that_are_there() -> None:
    chart = live(
        draw,
        kw=slider("Power, kW", -1, 10, 4),
        name=choice("Name", ["A", "C"]),
        half=switch("Half"),
        again=press("Again"),
    )
    figure, traces = chart.figure, chart.figure.data
    chart.controls["kw"].value = 6.0
    chart.controls["half"].value = True
    chart.controls["name"].value = "C"
    chart.controls["again"].click()
    chart.controls["again"].click()
    assert chart.figure is figure
    assert figure.data == traces
    assert figure.data[0].y == (3.0, 2.0)
    assert figure.data[2].y == (6.0, 6.0)
    assert figure.layout.title.text == "6 kW"
    assert figure.layout.xaxis.ticktext == ("C", "B")


def test_refusal_is_a_sentence_over_the_last_chart() -> None:
    chart = live(draw, kw=slider("Power, kW", -1, 10, 4))
    chart.controls["kw"].value = -1.0
    assert "-1 kW is &lt;less&gt; than nothing" in chart.message
    assert chart.figure.data[0].y == (4.0, 0.0)
    chart.controls["kw"].value = 5.0
    assert chart.message == ""
    assert chart.figure.data[0].y == (5.0, 0.0)


def test_program_error_is_logged_and_names_its_class(caplog: pytest.LogCaptureFixture) -> None:
    def fail(kw: float) -> go.Figure:
        return draw() if kw > 0.0 else draw(None)  # type: ignore[arg-type]

    chart = live(fail, kw=slider("Power, kW", 0, 10, 4))
    chart.controls["kw"].value = 0.0
    assert "The function that draws failed: TypeError" in chart.message
    assert "Traceback" in caplog.text
    chart.controls["kw"].value = 5.0
    assert chart.message == ""


def test_chart_without_controls_does_not_change() -> None:
    chart = live(draw)
    assert chart.controls == {}
    assert len(chart.figure.data) == 3


def test_colours_are_those_of_the_page() -> None:
    figure = draw()
    assert [trace.marker.color for trace in figure.data[:2]] == [GRID, BATTERY]
    assert figure.data[2].line.color == LIMIT
    many = curves([0, 1], {str(number): [0, number] for number in range(5)} | {"grid": [1, 1]}, "many")
    colours = [trace.line.color for trace in many.data]
    assert len(set(colours)) == 6
    assert colours[-1] == GRID


@pytest.mark.parametrize("shape", [curves, steps])
def test_curves_are_plain_numbers(shape: type[go.Figure]) -> None:
    figure = shape([0, 1, 2], {"SoC": [0.1, math.nan, 0.3]}, "a day", y="SoC, %", lines={"limit": 0.2})
    assert figure.data[0].y == (0.1, None, 0.3)
    assert figure.data[1].x == (0.0, 2.0)
    assert "NaN" not in json.dumps(figure.to_plotly_json())
    assert [trace.uid for trace in figure.data] == ["trace-0", "trace-1"]
    assert figure.layout.yaxis.title.text == "SoC, %"


@pytest.mark.parametrize("module", [lesson_charts, lesson_widgets], ids=lambda module: module.__name__)
def test_examples_in_docstrings_run(module: ModuleType) -> None:
    failed, attempted = doctest.testmod(module)
    assert failed == 0
    assert attempted >= 3
