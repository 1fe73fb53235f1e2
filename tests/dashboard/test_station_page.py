"""Test the page's model, words and figures without a browser."""

from __future__ import annotations

import gc
import logging
import math
import sys
from pathlib import Path

import pytest
from IPython.core.events import EventManager
from ipywidgets import HTML
from pages import button, parts, widget
from plotly.graph_objects import FigureWidget
from traitlets import TraitError

from electra_core import Station, Vehicle, catalogue
from electra_core import dashboard as face
from electra_core.dashboard import open_station, show
from electra_core.dashboard.figures import ChartData, station_changes, station_figure
from electra_core.dashboard.figures.layout import HEIGHT
from electra_core.dashboard.station_page.day_choice import NO_DAY
from electra_core.dashboard.station_page.diagram import diagram_content
from electra_core.dashboard.station_page.frame import Frame, Surroundings, frame_of
from electra_core.dashboard.station_page.history import MAX_SAMPLES
from electra_core.dashboard.station_page.html import (
    cards,
    chart_titles,
    connector_bars,
    event_log,
    header,
    headline,
    refusal,
    session_table,
)
from electra_core.dashboard.station_page.labels import clock
from electra_core.dashboard.station_page.log import LogEntry
from electra_core.dashboard.station_page.model import StationModel
from electra_core.dashboard.station_page.playback_model import BROKEN, CUSTOM_CAR
from electra_core.dashboard.station_page.traffic import Traffic
from electra_core.dashboard.station_page.view import StationPage
from electra_core.dashboard.station_page.what_if import ShadowStation
from electra_core.dashboard.widgets.ticker import Ticker
from electra_core.errors import BadValueError
from electra_core.sessions import Arrival

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def model() -> StationModel:
    return open_station(CONFIGS, playing=False)


@pytest.fixture
def paris(model: StationModel) -> StationModel:
    model.station_name = "ELECTRA_PARIS_15"
    model.day_name = NO_DAY
    return model


def frame_now(model: StationModel) -> Frame:
    """Return the frame of the station itself, which the page has to show."""
    return frame_of(model.station.status())


def words_of(model: StationModel) -> list[str]:
    """Return the lines of the log, as the page shows them."""
    return [str(entry) for entry in model.log]


def test_opens_on_a_real_day_at_its_busiest_moment(model: StationModel) -> None:
    status = model.station.status()
    assert model.station.now_s == 862 * 60
    assert len(status.sessions) == 2
    assert status.grid_kw == pytest.approx(172.5)
    assert headline(model.frame) == "2 cars, 172.5 of 172.5 kW from the grid, battery helping with 61.4 kW"


def test_cars_of_a_day_come_and_leave_with_their_energy(model: StationModel) -> None:
    model.step(904 - 862)
    assert "leaves L3·2" in model.log[0].words
    model.step(16 * 60)
    assert model.station.status().sessions == ()
    delivered = model.station.state.ledger.delivered_kwh
    assert delivered == pytest.approx(sum(visit.measured_kwh for visit in model.day.arrivals), rel=0.01)


def test_car_whose_connector_is_taken_waits_until_its_departure(model: StationModel) -> None:
    model.depart("L3", 1)
    assert model.arrive("L3", 1, "Renault Zoe 50")
    model.step(6 * 60)
    waits = [entry.words for entry in model.log if "waits for a connector" in entry.words]
    assert waits
    car = waits[0].removesuffix(" waits for a connector")
    arrival = next(arrival for arrival in model.day.arrivals if arrival.vehicle.name == car)
    gives_up = [entry.time for entry in model.log if entry.words == f"{car} gives up waiting and drives on"]
    assert gives_up == [clock(arrival.departure_s)]
    # The car that the visitor sent stays: only cars of the day leave by themselves.
    assert [session.vehicle for _, _, session in model.station.status().sessions] == ["Renault Zoe 50"]


def test_car_that_comes_full_frees_its_connector_at_once(paris: StationModel) -> None:
    zoe = catalogue()["Renault Zoe 50"]
    at_s = paris.station.now_s + 60.0
    arrivals = [
        Arrival(f"{n}", zoe, at_s, math.inf, 0.8, soc, "CP001", 1, 1.0) for n, soc in enumerate((0.8, 0.9))
    ]
    traffic = Traffic(arrivals, paris.config)
    assert [words.split(" with")[0] for words in traffic.play(at(paris, 60.0))] == [
        "Renault Zoe 50 arrives at CP001·1",
        "Renault Zoe 50 waits for a connector",
        "Renault Zoe 50 leaves CP001·1",
        "Renault Zoe 50 arrives at CP001·1",
    ]


def at(model: StationModel, seconds: float) -> Station:
    """Return the station after some seconds."""
    model.station.advance(seconds)
    return model.station


def test_refusal_is_a_sentence_and_changes_nothing(paris: StationModel) -> None:
    assert paris.arrive("CP001", 1, "Renault Zoe 50")
    state, version = paris.station.state, paris.version
    assert not paris.arrive("CP001", 1, "Renault Zoe 50")
    assert paris.refusal == "Refused: connector 1 of CP001 is taken by session S0001."
    assert not paris.arrive("CP009", 1, "Renault Zoe 50")
    assert not paris.arrive("CP001", 2, "DeLorean")
    assert not paris.arrive("CP001", 2, "Renault Zoe 50", arrival_soc=2.0)
    assert not paris.arrive("CP001", 2, CUSTOM_CAR, custom_kw=-5.0)
    assert not paris.depart("CP003", 1)
    assert paris.station.state == state
    assert paris.version == version
    assert paris.step(1)
    assert paris.refusal == ""


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("trait", ["site_limit_kw", "static_load_kw"])
def test_forged_slider_goes_back(paris: StationModel, trait: str, value: float) -> None:
    before = getattr(paris, trait)
    paris.set_trait(trait, value)
    assert getattr(paris, trait) == before
    assert paris.refusal.startswith("Refused: ")


@pytest.mark.parametrize(
    ("trait", "value"),
    [("strategy", "luck"), ("speed", 7), ("station_name", "nowhere"), ("day_name", "never")],
)
def test_forged_choice_is_refused(paris: StationModel, trait: str, value: object) -> None:
    before = getattr(paris, trait)
    with pytest.raises(TraitError):
        paris.set_trait(trait, value)
    assert getattr(paris, trait) == before


def test_limit_load_and_strategy_act_at_once(paris: StationModel) -> None:
    for charger in ("CP001", "CP002", "CP003"):
        paris.arrive(charger, 1, CUSTOM_CAR, custom_kw=150)
    paris.site_limit_kw = 100.0
    paris.static_load_kw = 40.0
    assert paris.station.status().grid_kw == pytest.approx(60.0)
    paris.strategy = "first_come"
    assert paris.station.status().strategy == "first_come"
    assert len(paris.station.status().sessions) == 3


def test_dragged_slider_leaves_one_log_entry_and_two_samples(paris: StationModel) -> None:
    for kw in range(390, 300, -10):
        paris.site_limit_kw = float(kw)
    assert [line for line in words_of(paris) if "Grid limit" in line] == ["08:00 Grid limit set to 310 kW"]
    assert sum(sample.now_s == paris.station.now_s for sample in paris.playback.history) == 2


def test_charts_change_between_one_and_two_columns_repeatedly(paris: StationModel) -> None:
    page = StationPage(paris)
    ticker, chart = (part for part in parts(page) if isinstance(part, Ticker | FigureWidget))
    heights = []
    for columns in (1, 2, 1, 2):
        ticker.columns = columns
        heights.append(chart.layout.height)
    assert heights == [HEIGHT[1], HEIGHT[2]] * 2


def test_hours_of_play_do_not_grow_the_window(paris: StationModel) -> None:
    paris.speed = 600
    for _ in range(60):
        paris.tick()
    assert len(paris.playback.history) <= MAX_SAMPLES
    assert paris.station.now_s == pytest.approx((8 + 10) * 3600.0)


def test_hour_of_play_grows_neither_record_nor_memory(model: StationModel) -> None:
    """The opening station has a lease: each minute renews two readings and advances the time."""
    model.day_name, model.speed = NO_DAY, 600
    assert model.arrive("L3", 1, CUSTOM_CAR, custom_kw=50.0)

    def play(ticks: int) -> int:
        """Return the size of all objects after some ticks, bytes."""
        for _ in range(ticks):
            model.tick()
        gc.collect()
        return sum(sys.getsizeof(each) for each in gc.get_objects())

    before = play(60)  # the battery comes to rest, and the window is full
    runs, events = len(model.playback.station.record.runs), len(model.station.events)
    after = play(360)  # as long as an hour at the speed that a page opens with
    assert len(model.playback.station.record.runs) == runs
    assert len(model.station.events) == events + 3 * 3600
    # One event alone would take 600 bytes, and 10,800 of them 7 MB.
    assert after - before < 100_000


def test_folded_record_replays_to_the_same_station_to_the_last_bit(model: StationModel) -> None:
    for speed in (60, 600, 1):
        model.speed = speed
        for _ in range(20):
            model.tick()
    model.static_load_kw = 5.0
    model.meter_silent = True
    model.step(15)
    model.meter_silent = False
    model.step(600)
    station = model.playback.station
    assert len(station.record.runs) < len(station.record) / 5
    replayed = Station.replay(model.config, station.events)
    assert replayed.state == station.state
    assert replayed.events == station.events


def test_what_if_is_answered_after_hours_of_play(model: StationModel) -> None:
    model.day_name = NO_DAY
    assert model.arrive("L3", 1, "Renault Zoe 50")
    for _ in range(3600):
        model.tick()
    model.what_if = "no battery"
    assert model.refusal == ""
    assert model.playback.shadow is not None
    assert model.playback.shadow.station.now_s == model.station.now_s


def test_shadow_under_the_same_rules_becomes_the_same_station(model: StationModel) -> None:
    """Also where the meter falls silent and the station is at its fail-safe limit for a while."""
    model.begin()
    model.step(20)
    model.meter_silent = True
    model.step(15)
    model.meter_silent = False
    model.step(300)
    model.what_if = "max_min"
    shadow = model.playback.shadow
    assert shadow is not None
    here, there = model.playback.outcome, shadow.outcome
    assert there.delivered_kwh == pytest.approx(here.delivered_kwh, rel=1e-4)
    assert there.imported_kwh == pytest.approx(here.imported_kwh, rel=1e-4)
    assert there.minutes == pytest.approx(here.minutes, abs=1.0)


def test_record_that_takes_too_many_steps_is_refused(paris: StationModel) -> None:
    assert paris.arrive("CP001", 1, CUSTOM_CAR)
    paris.step(60)
    shadow = ShadowStation("first_come", paris.config, max_steps=30)
    with pytest.raises(BadValueError, match="too long to be played again"):
        shadow.follow(paris.station.events)


def test_loaded_record_counts_what_its_cars_got(paris: StationModel) -> None:
    assert paris.arrive("CP001", 1, "Renault Zoe 50")
    paris.step(30)
    assert paris.depart("CP001", 1)
    exported = paris.export("events")
    assert exported is not None
    assert paris.upload("events", "mine.jsonl", exported[2])
    assert paris.playback.outcome.delivered_kwh == paris.station.ledger.delivered_kwh > 0.0
    sessions = paris.export("sessions")
    assert sessions is not None
    assert sessions[2].count(b"\n") == 2


def test_start_is_before_the_first_car(model: StationModel) -> None:
    model.begin()
    assert model.station.status().sessions == ()
    assert model.station.now_s == (645 - 5) * 60
    model.step(5)
    assert len(model.station.status().sessions) == 1


def test_the_clock_stops_when_the_day_is_over(model: StationModel) -> None:
    model.playing, model.speed = True, 600
    while model.playing:
        model.tick()
    assert "The last car of the day has left" in model.log[0].words
    assert model.station.status().sessions == ()


def test_static_load_above_the_limit_is_said(paris: StationModel) -> None:
    paris.static_load_kw = 50.0
    paris.site_limit_kw = 30.0
    frame = frame_now(paris)
    assert "the static load alone is 20 kW too much" in headline(frame)
    assert "too much" in chart_titles(frame)["site"]
    assert "el-over" in cards(frame)


def test_refusal_outlives_a_tick_but_not_the_next_command(paris: StationModel) -> None:
    paris.depart("CP001", 1)
    paris.tick()
    assert paris.refusal.startswith("Refused: ")
    paris.step(1)
    assert paris.refusal == ""


def test_tick_beside_a_refusal_draws_once(paris: StationModel, monkeypatch: pytest.MonkeyPatch) -> None:
    page = StationPage(paris)
    paris.depart("CP001", 1)
    draws, alerts = [], []
    monkeypatch.setattr(FigureWidget, "plotly_update", lambda *_, **__: draws.append(1))
    alert = next(part for part in parts(page) if isinstance(part, HTML) and "el-refusal" in part.value)
    alert.observe(alerts.append, "value")
    version = paris.version
    paris.tick()
    assert (len(draws), len(alerts), paris.version) == (1, 0, version + 1)


def test_setting_a_trait_draws_once(paris: StationModel, monkeypatch: pytest.MonkeyPatch) -> None:
    page = StationPage(paris)
    assert paris.arrive("CP001", 1, "Renault Zoe 50")
    draws: list[int] = []
    monkeypatch.setattr(FigureWidget, "plotly_update", lambda *_, **__: draws.append(1))
    for name, value in (
        ("site_limit_kw", 100.0),
        ("strategy", "uniform"),
        ("speed", 10),
        ("selected", ("CP001", 1)),
        ("what_if", "no battery"),
        ("station_name", "Motorway hub"),
    ):
        draws.clear()
        paris.set_trait(name, value)
        assert len(draws) == 1, name
    page.close()


def test_programming_error_is_logged_and_is_no_refusal(
    paris: StationModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("operands could not be broadcast together")

    state = paris.station.state
    monkeypatch.setattr(paris.playback, "commands", type("Broken", (), {"plug_in": broken}))
    with caplog.at_level(logging.ERROR):
        assert not paris.arrive("CP001", 1, "Renault Zoe 50")
    assert paris.refusal == BROKEN
    assert "Refused" not in paris.refusal
    assert "operands could not be broadcast together" in caplog.text
    assert paris.station.state == state
    assert paris.step(1)
    assert paris.refusal == ""


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """List the observers of models that are connected and not yet disconnected."""
    connected: list[object] = []
    observe, unobserve = StationModel.observe, StationModel.unobserve

    def connect(self: StationModel, handler: object, *more: object, **names: object) -> None:
        connected.append(handler)
        observe(self, handler, *more, **names)

    def disconnect(self: StationModel, handler: object, *more: object, **names: object) -> None:
        connected.remove(handler)
        unobserve(self, handler, *more, **names)

    monkeypatch.setattr(StationModel, "observe", connect)
    monkeypatch.setattr(StationModel, "unobserve", disconnect)
    return connected


def test_second_page_of_a_model_leaves_no_observers_or_hooks_of_the_first(
    paris: StationModel, connections: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = EventManager(None, {"post_run_cell": None})
    monkeypatch.setattr(face, "get_ipython", lambda: type("Shell", (), {"events": hooks}))
    first = show(paris)
    observers, count = len(connections), len(hooks.callbacks["post_run_cell"])
    assert observers > 5
    assert count == 1
    second = show(paris)  # closes the first page
    first.close()
    assert len(connections) == observers
    assert len(hooks.callbacks["post_run_cell"]) == count
    paris.station.set_site_limit(111.0)
    hooks.callbacks["post_run_cell"][0](None)
    assert widget(second, "Grid limit").value == 111.0
    second.close()
    assert connections == []
    assert hooks.callbacks["post_run_cell"] == []


def test_two_pages_of_a_model_are_closed_apart(paris: StationModel, connections: list[object]) -> None:
    first = StationPage(paris)
    observers = len(connections)
    second = StationPage(paris)
    assert len(connections) == 2 * observers
    first.close()
    assert len(connections) == observers
    paris.site_limit_kw = 77.0
    assert widget(second, "Grid limit").value == 77.0


def test_log_keeps_settings_of_other_minutes(paris: StationModel) -> None:
    for kw in (0.0, 400.0):
        paris.site_limit_kw = kw
        paris.step(1)
    limits = [line for line in words_of(paris) if "Grid limit" in line]
    assert limits == ["08:01 Grid limit set to 400 kW", "08:00 Grid limit set to 0 kW"]


def test_every_station_and_day_opens(model: StationModel) -> None:
    for name in model.configs:
        model.station_name = name
        for day in list(model.days.values()):
            model.day_name = day
            assert model.site_limit_kw == model.config.grid_capacity_kw
            model.step(30)


def test_texts_from_outside_are_escaped(paris: StationModel) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    paris.station.plug_in("CP001", 1, Vehicle(50, name=nasty))
    frame = frame_of(paris.station.status(), Surroundings(nasty, nasty, nasty, 8 * 3600.0))
    page = "".join(
        [
            header(frame),
            cards(frame),
            session_table(frame),
            event_log([LogEntry("08:00", nasty)]),
            refusal(nasty),
            *(bar.words + bar.label for bar in connector_bars(frame)),
        ]
    )
    assert "<img" not in page
    assert "&lt;img" in page


def test_chart_title_counts_cars_that_are_held_back(paris: StationModel) -> None:
    assert "no car is connected" in chart_titles(frame_now(paris))["bars"]
    paris.arrive("CP001", 1, CUSTOM_CAR, custom_kw=150)
    assert "every car gets what it can take" in chart_titles(frame_now(paris))["bars"]
    paris.arrive("CP001", 2, CUSTOM_CAR, custom_kw=150)
    assert "2 of 2 held back by charger limit" in chart_titles(frame_now(paris))["bars"]


def test_figure_shows_the_decision_in_force(model: StationModel) -> None:
    frame = frame_now(model)
    figure = station_figure(
        ChartData(connector_bars(frame), list(model.playback.history)), chart_titles(frame)
    )
    by_uid = {trace.uid: trace for trace in figure.data}
    sessions = [session for _, _, session in frame.status.sessions]
    assert list(by_uid["bar-grid"].y) == [session.grid_kw for session in sessions]
    assert list(by_uid["bar-battery"].y) == [session.battery_kw for session in sessions]
    assert list(by_uid["bar-max"].y[::3]) == [session.ceiling_kw for session in sessions]
    site = by_uid["site-static"].y + by_uid["site-cars"].y + by_uid["site-charging"].y
    assert (site <= by_uid["site-limit"].y + 1e-3).all()
    # The browser pays by the trace.
    assert len(figure.data) <= 27


def test_changes_name_only_parts_of_the_figure(model: StationModel) -> None:
    frame = frame_now(model)
    now = (ChartData(connector_bars(frame), list(model.playback.history)), chart_titles(frame))
    figure = station_figure(*now)
    traces, layout = station_changes(*now)
    assert all(len(values) == len(figure.data) for values in traces.values())
    for key in layout:
        figure.layout[key]  # raises where there is no such part


def test_comparison_stands_beside_the_station(paris: StationModel) -> None:
    for connector in (1, 2):
        paris.arrive("CP001", connector, CUSTOM_CAR, custom_kw=150)
    paris.step(10)
    paris.what_if = "no battery"
    paris.step(10)
    shadow = paris.playback.shadow
    assert shadow is not None
    here, there = paris.playback.outcome, shadow.outcome
    assert here.delivered_kwh == pytest.approx(paris.station.ledger.delivered_kwh)
    assert there.imported_kwh == pytest.approx(there.delivered_kwh)
    frame = paris.frame
    data = ChartData(connector_bars(frame), list(paris.playback.history), list(shadow.samples))
    traces, _ = station_changes(data, chart_titles(frame))
    arrays = [value for values in traces.values() for value in values if hasattr(value, "flags")]
    assert arrays
    # Others cannot be sent to a browser.
    assert all(array.flags.c_contiguous for array in arrays)
    paris.what_if = "nonsense"
    assert "no such change" in paris.refusal
    assert paris.what_if == "no battery"
    paris.station_name = "EPFL Level-3"
    assert paris.playback.shadow is None
    assert "The comparison has ended" in "".join(words_of(paris))


def test_one_more_charger_takes_cars_that_would_have_shared(paris: StationModel) -> None:
    for charger in ("CP001", "CP002", "CP003"):
        for connector in (1, 2):
            paris.arrive(charger, connector, CUSTOM_CAR, custom_kw=110)
    paris.what_if = "one more charger"
    paris.step(30)
    shadow = paris.playback.shadow
    assert shadow is not None
    config = shadow.station.config
    assert len(config.chargers) == len(paris.config.chargers) + 1
    taken = [session.connector_id for session in shadow.station.state.sessions.values()]
    assert len(taken) == 6
    assert any(charger_id == config.chargers[-1].id for charger_id, _ in taken)


def test_silent_meter_leads_to_the_fail_safe_limit(model: StationModel) -> None:
    model.step(10)
    assert not model.station.status().fail_safe
    model.meter_silent = True
    model.step(6)
    assert model.station.status().fail_safe
    assert "fail-safe limit" in headline(frame_now(model))
    model.meter_silent = False
    assert not model.station.status().fail_safe


def test_meter_of_a_station_without_lease_cannot_go_silent(paris: StationModel) -> None:
    paris.meter_silent = True
    assert "no limitLease" in paris.refusal
    assert not paris.meter_silent


def test_change_in_code_is_shown_once(paris: StationModel) -> None:
    version = paris.version
    paris.refresh_if_changed()
    assert paris.version == version
    paris.station.set_site_limit(123.0)
    paris.refresh_if_changed()
    assert paris.version == version + 1
    assert paris.site_limit_kw == 123.0


def test_link_with_an_unknown_name_changes_nothing(paris: StationModel) -> None:
    paris.arrive("CP001", 1, CUSTOM_CAR)
    state = paris.station.state
    for wanted in (
        {"station": "<b>nowhere"},
        {"strategy": "luck"},
        {"day": "never"},
        {"station": "EPFL Level-3", "day": "paris_evening"},
    ):
        assert not paris.follow_link(wanted)
        assert paris.refusal.startswith("Refused: the link")
    assert paris.station.state == state


def test_station_without_battery_is_shown_as_such(model: StationModel) -> None:
    model.station_name = "EPFL Level-3"
    frame = frame_now(model)
    assert "this station has no battery" in cards(frame)
    assert "this station has none" in chart_titles(frame)["battery"]


def test_widgets_follow_the_model(model: StationModel) -> None:
    page = show(model)
    model.station_name = "ELECTRA_PARIS_15"
    model.day_name = NO_DAY
    assert widget(page, "Grid limit").value == 400.0
    assert widget(page, "Car").value == "Tesla Model Y Long Range"
    button(page, "A car arrives").click()
    assert [session.vehicle for _, _, session in model.station.status().sessions] == [
        widget(page, "Car").value
    ]
    widget(page, "Grid limit").value = 50.0
    assert model.station.status().grid_kw == pytest.approx(50.0)
    button(page, "The car departs").click()
    assert model.station.status().sessions == ()
    assert button(page, "The car departs").disabled


def test_parts_out_of_service_are_named_wherever_cars_are_counted(paris: StationModel) -> None:
    for connector in (1, 2):
        assert paris.arrive("CP001", connector, "Renault Zoe 50")
    assert paris.set_available("CP001", 2, False)
    frame = frame_now(paris)
    assert headline(frame).startswith("2 cars, ")
    assert "CP001·2 out of service" in headline(frame)
    assert "0 waiting, 0 done, 1 out of service, 2 connected" in cards(frame)
    assert chart_titles(frame)["bars"].endswith("<br>1 of 2 out of service")
    assert paris.set_available("CP001", None, False)
    assert paris.set_available("CP002", None, False)
    frame = frame_now(paris)
    assert "2 parts out of service" in headline(frame)
    assert chart_titles(frame)["bars"].endswith("<br>2 of 2 out of service")


def test_cars_that_are_done_do_not_count_as_served_in_full(paris: StationModel) -> None:
    assert paris.arrive("CP001", 1, "Renault Zoe 50", arrival_soc=0.79, target_soc=0.8)
    assert paris.step(5)
    assert chart_titles(frame_now(paris))["bars"].endswith("<br>every car is done")


@pytest.mark.parametrize("station", ["Motorway hub", "ELECTRA_PARIS_15", "EPFL + what-if battery"])
def test_power_into_the_diagram_equals_power_out_of_it(model: StationModel, station: str) -> None:
    model.station_name = station
    for _ in range(10):
        assert model.step(15)
        content = diagram_content(frame_now(model))
        given_kw = content["grid"]["power_kw"] - content["battery"]["power_kw"]
        taken_kw = content["site"]["power_kw"] + sum(each["power_kw"] for each in content["chargers"])
        assert given_kw == pytest.approx(taken_kw, abs=0.05 * (3 + len(content["chargers"])))


def test_typed_name_chooses_the_car(paris: StationModel) -> None:
    page = StationPage(paris)
    search, car = widget(page, "Search"), widget(page, "Car")
    search.value = "zzz"
    assert car.value == CUSTOM_CAR
    search.value = "kia"
    assert "Kia" in car.value
