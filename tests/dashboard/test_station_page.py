"""The page's model, words and figures, without a browser."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pages import button, parts, widget
from plotly.graph_objects import FigureWidget
from traitlets import TraitError

from electra_core import Station, Vehicle, catalogue
from electra_core.dashboard import open_station, show
from electra_core.dashboard.figures import Scene, station_changes, station_figure
from electra_core.dashboard.figures.layout import HEIGHT
from electra_core.dashboard.figures.traces import place_colours
from electra_core.dashboard.station_page.diagram import scene_of
from electra_core.dashboard.station_page.history import SAMPLES
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
from electra_core.dashboard.station_page.model import CUSTOM_CAR, NO_DAY, StationModel
from electra_core.dashboard.station_page.traffic import Guest, Script
from electra_core.dashboard.station_page.view import station_page
from electra_core.dashboard.widgets.ticker import Pulse

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def model() -> StationModel:
    return open_station(CONFIGS, playing=False)


@pytest.fixture
def paris(model: StationModel) -> StationModel:
    model.station_name = "ELECTRA_PARIS_15"
    model.day_name = NO_DAY
    return model


def test_opens_on_a_real_day_at_its_busiest_moment(model: StationModel) -> None:
    status = model.station.status()
    assert model.station.now_s == 862 * 60
    assert len(status.sessions) == 2
    assert status.grid_kw == pytest.approx(172.5)
    assert headline(status) == "2 cars, 172.5 of 172.5 kW from the grid, battery helping with 61.4 kW"


def test_the_script_brings_and_takes_cars(model: StationModel) -> None:
    model.step(904 - 862)
    assert "leaves L3·2" in model.log[0]
    model.step(16 * 60)
    assert model.station.status().sessions == ()
    delivered = model.station.state.ledger.delivered_kwh
    assert delivered == pytest.approx(sum(visit.measured_kwh for visit in model.day.arrivals), rel=0.01)


def test_a_guest_that_finds_its_place_taken_drives_on(model: StationModel) -> None:
    model.depart("L3", 1)
    assert model.arrive("L3", 1, "Renault Zoe 50")
    model.step(6 * 60)
    assert any("finds L3·1 taken and drives on" in line for line in model.log)
    # The car that a hand sent stays: the script's departures are those of its own guests.
    assert [session.vehicle for _, _, session in model.station.status().sessions] == ["Renault Zoe 50"]


def test_who_comes_full_makes_room_at_once(paris: StationModel) -> None:
    zoe = catalogue()["Renault Zoe 50"]
    guests = [
        Guest(f"{n}", zoe, 60.0, math.inf, 0.8, soc, "CP001", 1, 1.0) for n, soc in enumerate((0.8, 0.9))
    ]
    assert [words.split(" with")[0] for words in Script(guests).play(at(paris, 60.0))] == [
        "Renault Zoe 50 arrives at CP001·1",
        "Renault Zoe 50 waits for a connector",
        "Renault Zoe 50 leaves CP001·1",
        "Renault Zoe 50 arrives at CP001·1",
    ]


def at(model: StationModel, seconds: float) -> Station:
    """The station a while later."""
    model.station.advance(seconds)
    return model.station


def test_a_refusal_is_a_sentence_and_changes_nothing(paris: StationModel) -> None:
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
def test_a_forged_slider_goes_back(paris: StationModel, trait: str, value: float) -> None:
    before = getattr(paris, trait)
    paris.set_trait(trait, value)
    assert getattr(paris, trait) == before
    assert paris.refusal.startswith("Refused: ")


@pytest.mark.parametrize(
    ("trait", "value"),
    [("strategy", "luck"), ("speed", 7), ("station_name", "nowhere"), ("day_name", "never")],
)
def test_a_forged_choice_is_refused(paris: StationModel, trait: str, value: object) -> None:
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


def test_a_dragged_slider_says_one_thing(paris: StationModel) -> None:
    for kw in range(390, 300, -10):
        paris.site_limit_kw = float(kw)
    assert [line for line in paris.log if "Grid limit" in line] == ["08:00 Grid limit set to 310 kW"]
    assert sum(sample.now_s == paris.station.now_s for sample in paris.play.history) == 2


def test_charts_stand_beside_and_below_each_other_as_often_as_a_phone_is_turned(paris: StationModel) -> None:
    page = station_page(paris)
    pulse, chart = (part for part in parts(page) if isinstance(part, Pulse | FigureWidget))
    heights = []
    for columns in (1, 2, 1, 2):
        pulse.columns = columns
        heights.append(chart.layout.height)
    assert heights == [HEIGHT[1], HEIGHT[2]] * 2


def test_hours_of_play_do_not_grow_the_page(paris: StationModel) -> None:
    paris.speed = 600
    for _ in range(60):
        paris.tick()
    assert len(paris.play.history) <= SAMPLES
    assert paris.station.now_s == pytest.approx((8 + 10) * 3600.0)


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
    assert "The last car of the day has left" in model.log[0]
    assert model.station.status().sessions == ()


def test_a_static_load_above_the_limit_is_said(paris: StationModel) -> None:
    paris.static_load_kw = 50.0
    paris.site_limit_kw = 30.0
    status = paris.station.status()
    assert "the static load alone is 20 kW too much" in headline(status)
    assert "too much" in chart_titles(status)["site"]
    assert "el-over" in cards(status)


def test_a_refusal_outlives_a_tick_but_not_the_next_deed(paris: StationModel) -> None:
    paris.depart("CP001", 1)
    paris.tick()
    assert paris.refusal.startswith("Refused: ")
    paris.step(1)
    assert paris.refusal == ""


def test_the_log_keeps_what_happened_at_other_times(paris: StationModel) -> None:
    for kw in (0.0, 400.0):
        paris.site_limit_kw = kw
        paris.step(1)
    limits = [line for line in paris.log if "Grid limit" in line]
    assert limits == ["08:01 Grid limit set to 400 kW", "08:00 Grid limit set to 0 kW"]


def test_every_station_and_day_opens(model: StationModel) -> None:
    for name in model.configs:
        model.station_name = name
        for day in list(model.days.values()):
            model.day_name = day
            assert model.site_limit_kw == model.config.grid_capacity_kw
            model.step(30)


def test_words_escape_what_comes_from_outside(paris: StationModel) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    paris.station.plug_in("CP001", 1, Vehicle(50, name=nasty))
    status = paris.station.status()
    page = "".join(
        [
            header(status, nasty, nasty, "08:00"),
            cards(status),
            session_table(status, {"S0001": "08:00"}, place_colours(connector_bars(status))),
            event_log([f"08:00 {nasty}"]),
            refusal(nasty),
            *(bar.words + bar.label for bar in connector_bars(status)),
        ]
    )
    assert "<img" not in page
    assert "&lt;img" in page


def test_titles_say_who_is_held_back(paris: StationModel) -> None:
    assert "no car is connected" in chart_titles(paris.station.status())["bars"]
    paris.arrive("CP001", 1, CUSTOM_CAR, custom_kw=150)
    assert "every car gets what it can take" in chart_titles(paris.station.status())["bars"]
    paris.arrive("CP001", 2, CUSTOM_CAR, custom_kw=150)
    assert "2 of 2 held back by charger limit" in chart_titles(paris.station.status())["bars"]


def test_the_figure_shows_what_the_station_decided(model: StationModel) -> None:
    status = model.station.status()
    figure = station_figure(Scene(connector_bars(status), list(model.play.history)), chart_titles(status))
    by_uid = {trace.uid: trace for trace in figure.data}
    sessions = [session for _, _, session in status.sessions]
    assert list(by_uid["bar-grid"].y) == [session.grid_kw for session in sessions]
    assert list(by_uid["bar-battery"].y) == [session.battery_kw for session in sessions]
    assert list(by_uid["bar-ceiling"].y[::3]) == [session.ceiling_kw for session in sessions]
    site = by_uid["site-static"].y + by_uid["site-cars"].y + by_uid["site-charging"].y
    assert (site <= by_uid["site-limit"].y + 1e-3).all()
    # The browser pays by the trace.
    assert len(figure.data) <= 27


def test_changes_name_only_what_the_figure_has(model: StationModel) -> None:
    status = model.station.status()
    now = (Scene(connector_bars(status), list(model.play.history)), chart_titles(status))
    figure = station_figure(*now)
    traces, layout = station_changes(*now)
    assert all(len(values) == len(figure.data) for values in traces.values())
    for key in layout:
        figure.layout[key]  # raises where there is no such place


def test_other_rules_stand_beside_the_first(paris: StationModel) -> None:
    for connector in (1, 2):
        paris.arrive("CP001", connector, CUSTOM_CAR, custom_kw=150)
    paris.step(10)
    paris.what_if = "no battery"
    paris.step(10)
    assert paris.play.rivals is not None
    here, there = (rival.outcome for rival in paris.play.rivals)
    assert here.delivered_kwh == pytest.approx(paris.station.ledger.delivered_kwh)
    assert there.imported_kwh == pytest.approx(there.delivered_kwh)
    history, rival = list(paris.play.history), list(paris.play.rivals[1].samples)
    scene = Scene(connector_bars(paris.status), history, rival)
    traces, _ = station_changes(scene, chart_titles(paris.status))
    arrays = [value for values in traces.values() for value in values if hasattr(value, "flags")]
    assert arrays
    # Others cannot be sent to a browser.
    assert all(array.flags.c_contiguous for array in arrays)
    paris.what_if = "nonsense"
    assert "no such change" in paris.refusal
    assert paris.what_if == "no battery"
    paris.station_name = "EPFL Level-3"
    assert paris.play.rivals is None
    assert "The comparison has ended" in "".join(paris.log)


def test_one_more_charger_takes_who_would_have_shared(paris: StationModel) -> None:
    for charger in ("CP001", "CP002", "CP003"):
        for connector in (1, 2):
            paris.arrive(charger, connector, CUSTOM_CAR, custom_kw=110)
    paris.what_if = "one more charger"
    paris.step(30)
    assert paris.play.rivals is not None
    config = paris.play.rivals[1].station.config
    assert len(config.chargers) == len(paris.config.chargers) + 1
    places = [session.connector_id for session in paris.play.rivals[1].station.state.sessions.values()]
    assert len(places) == 6
    assert any(place[0] == config.chargers[-1].id for place in places)


def test_a_silent_meter_leads_to_the_fail_safe_limit(model: StationModel) -> None:
    model.step(10)
    assert not model.station.status().fail_safe
    model.meter_silent = True
    model.step(6)
    assert model.station.status().fail_safe
    assert "fail-safe limit" in headline(model.station.status())
    model.meter_silent = False
    assert not model.station.status().fail_safe


def test_a_station_without_lease_has_no_silence(paris: StationModel) -> None:
    paris.meter_silent = True
    assert "no limitLease" in paris.refusal
    assert not paris.meter_silent


def test_what_is_changed_in_code_is_looked_up(paris: StationModel) -> None:
    version = paris.version
    paris.look()
    assert paris.version == version
    paris.station.set_site_limit(123.0)
    paris.look()
    assert paris.version == version + 1
    assert paris.site_limit_kw == 123.0


def test_a_link_that_names_what_is_not_here_changes_nothing(paris: StationModel) -> None:
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


def test_a_station_without_battery_says_so(model: StationModel) -> None:
    model.station_name = "EPFL Level-3"
    status = model.station.status()
    assert "this station has no battery" in cards(status)
    assert "this station has none" in chart_titles(status)["battery"]


def test_the_widgets_follow_the_model(model: StationModel) -> None:
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


def test_what_is_out_of_service_is_said_wherever_cars_are_counted(paris: StationModel) -> None:
    for connector in (1, 2):
        assert paris.arrive("CP001", connector, "Renault Zoe 50")
    assert paris.set_available("CP001", 2, False)
    status = paris.station.status()
    assert headline(status).startswith("2 cars, ")
    assert "CP001·2 out of service" in headline(status)
    assert "0 waiting, 0 done, 1 out of service, 2 connected" in cards(status)
    assert chart_titles(status)["bars"].endswith("<br>1 of 2 out of service")
    assert paris.set_available("CP001", None, False)
    assert paris.set_available("CP002", None, False)
    status = paris.station.status()
    assert "2 parts out of service" in headline(status)
    assert chart_titles(status)["bars"].endswith("<br>2 of 2 out of service")


def test_cars_that_are_done_are_no_cars_that_get_all(paris: StationModel) -> None:
    assert paris.arrive("CP001", 1, "Renault Zoe 50", arrival_soc=0.79, target_soc=0.8)
    assert paris.step(5)
    assert chart_titles(paris.station.status())["bars"].endswith("<br>every car is done")


@pytest.mark.parametrize("station", ["Motorway hub", "ELECTRA_PARIS_15", "EPFL + what-if battery"])
def test_what_flows_into_the_picture_flows_out_of_it(model: StationModel, station: str) -> None:
    model.station_name = station
    for _ in range(10):
        assert model.step(15)
        status = model.station.status()
        scene = scene_of(status, place_colours(connector_bars(status)))
        given_kw = scene["grid"]["power_kw"] - scene["battery"]["power_kw"]
        taken_kw = scene["site"]["power_kw"] + sum(each["power_kw"] for each in scene["chargers"])
        assert given_kw == pytest.approx(taken_kw, abs=0.05 * (3 + len(scene["chargers"])))


def test_a_name_that_is_typed_is_the_car_that_comes(paris: StationModel) -> None:
    page = station_page(paris)
    search, car = widget(page, "Search"), widget(page, "Car")
    search.value = "zzz"
    assert car.value == CUSTOM_CAR
    search.value = "kia"
    assert "Kia" in car.value
