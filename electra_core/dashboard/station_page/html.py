"""The page's words: functions from a frame to text and HTML. Every text from outside is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from electra_core.dashboard.figures import Bar
from electra_core.dashboard.figures.colours import BATTERY, CEILING, CHARGING, GRID, LIMIT, STATIC, STORED
from electra_core.dashboard.station_page.frame import ConnectorView, Frame
from electra_core.dashboard.station_page.log import LogEntry
from electra_core.dashboard.widgets.styles import legend_of

# Up to so many connectors the table has a row for each, so that nothing jumps when a car comes.
MAX_ROWS = 12

MAX_LOG_LINES = 40

# On a phone they stand before the cells: see `page.css`, which knows a column by its number.
COLUMNS = (
    "Connector",
    "Car",
    "Since",
    "SoC",
    "Power",
    "From battery",
    "Energy",
    "To target",
    "Why not faster",
)

# Titles and formats of the figures of an `Outcome`.
OUTCOMES = (
    ("Delivered, kWh", "delivered_kwh"),
    ("Still wanted, kWh", "remaining_kwh"),
    ("Minutes to target, mean", "minutes"),
    ("Imported, kWh", "imported_kwh"),
    ("Highest import, kW", "peak_kw"),
)


class Texts(NamedTuple):
    """All texts of a frame: HTML of the page's parts, bars and titles of its charts."""

    header: str
    cards: str
    sessions: str
    log: str
    comparison: str
    bars: list[Bar]
    titles: dict[str, str]


def texts_of(frame: Frame) -> Texts:
    """Return all texts of a frame."""
    return Texts(
        header=header(frame),
        cards=cards(frame),
        sessions=_panel("Sessions", session_table(frame)),
        log=_panel("Events", event_log(frame.around.log)),
        comparison=comparison(frame),
        bars=connector_bars(frame),
        titles=chart_titles(frame),
    )


def header(frame: Frame) -> str:
    """Return name, clock and headline; and the reason why the page is not up to date."""
    around = frame.around
    stale = f'<p class="el-stale" role="status">{escape(around.notice)}</p>' if around.notice else ""
    credit = f" · figures: {escape(around.day_source)}" if around.day_source else ""
    return (
        f'<header class="el-header"><div><h1>{escape(frame.status.station_id)}</h1>'
        f'<p class="el-note">{escape(around.day_title)}{credit}</p></div>'
        f'<p class="el-time" role="timer" aria-label="Time at the station">{frame.time}</p>'
        f'<p class="el-headline">{escape(headline(frame))}</p>{stale}</header>'
    )


def headline(frame: Frame) -> str:
    """Return the state of the station in one sentence."""
    status, count = frame.status, len(frame.cars)
    cars = "No car" if count == 0 else "1 car" if count == 1 else f"{count} cars"
    site = f"{kw(frame.site_kw)} of {kw(status.site_limit_kw)} kW from the grid"
    fail_safe = ["at its fail-safe limit because the meter is silent"] if status.fail_safe else []
    battery = [] if status.battery is None else [f"battery {_battery_words(frame)}"]
    return ", ".join([cars, site, *fail_safe, *_excess_words(frame), *_out_words(frame), *battery])


def _battery_words(frame: Frame) -> str:
    battery = frame.status.battery
    if battery is None or not battery.available or battery.power_kw == 0.0:
        return frame.battery_words
    return f"{frame.battery_words} with {abs(battery.power_kw):.1f} kW"


def _excess_words(frame: Frame) -> list[str]:
    # Then the cars get nothing, and it must be said.
    return [f"the static load alone is {kw(frame.excess_kw)} kW too much"] if frame.excess_kw else []


def _out_words(frame: Frame) -> list[str]:
    """Return the words of what is out of service: whole chargers, and connectors of the others."""
    out = [charger.charger_id for charger in frame.status.chargers if not charger.available]
    out += [each.label for each in frame.connectors if not each.available and each.connector_id[0] not in out]
    return [f"{out[0] if len(out) == 1 else f'{len(out)} parts'} out of service"] if out else []


def cards(frame: Frame) -> str:
    """Return the four numbers that an operator looks at first."""
    status, battery = frame.status, frame.status.battery
    limit_kw, count = status.site_limit_kw, len(frame.cars)
    here = Counter(car.session.condition for car in frame.cars)
    out = f", {here['suspended']} out of service" if here["suspended"] else ""
    waiting = f"{here['waiting']} waiting, {here['finished']} done{out}, {count} connected"
    remaining_kwh = sum(car.session.remaining_kwh or 0.0 for car in frame.cars)
    if battery is None:
        battery_card = _card("Battery", "none", "this station has no battery")
    else:
        soc = battery.state_of_charge
        battery_card = _card("Battery", f"{soc:.1%}", _battery_words(frame), soc)
    parts = [
        _card(
            "From the grid",
            f"{frame.site_kw:.1f} kW",
            f"limit {kw(limit_kw)} kW",
            _share(frame.site_kw, limit_kw),
        ),
        battery_card,
        _card("Cars charging", f"{here['charging']}", waiting, _share(here["charging"], count)),
        _card("Delivered", f"{status.delivered_kwh:.1f} kWh", f"{remaining_kwh:.1f} kWh still wanted"),
    ]
    return f'<div class="el-cards">{"".join(parts)}</div>'


def _card(title: str, number: str, note: str, part: float = 0.0) -> str:
    over = ' class="el-over"' if part > 1.0 else ""
    width = 100.0 * min(1.0, part)
    bar = f'<div class="el-bar"><span{over} style="width:{width:.1f}%"></span></div>' if part else ""
    return (
        f'<div class="el-card"><p class="el-card-title">{title}</p>'
        f'<p class="el-card-number">{number}</p><p class="el-note">{note}</p>{bar}</div>'
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole > 0.0 else 2.0 * (part > 0.0)


def session_table(frame: Frame) -> str:
    """Return the table of connectors and their cars; of a large station only those with a car."""
    connectors = frame.connectors
    if len(connectors) > MAX_ROWS:
        connectors = tuple(each for each in connectors if each.car is not None)
    if not connectors:
        return '<p class="el-empty">No car is connected. Let one arrive.</p>'
    rows = "".join(_row(each) for each in connectors)
    head = "".join(f'<th scope="col">{title}</th>' for title in COLUMNS)
    titles = "".join(f"--title-{number}:'{title}';" for number, title in enumerate(COLUMNS, start=1))
    return (
        '<div class="el-scroll" tabindex="0" role="region" aria-label="Table of the sessions">'
        f'<table class="el-table" style="{titles}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(connector: ConnectorView) -> str:
    name = f'<i style="background:{connector.colour}"></i>{escape(connector.label)}'
    car = connector.car
    if car is None:
        free = f'<span class="el-empty">{_idle_words(connector)}</span>'
        return _cells([name, free, *[""] * (len(COLUMNS) - 2)], ' class="el-idle"')
    session, minutes = car.session, car.session.minutes_to_target
    return _cells(
        [
            name,
            escape(car.name),
            car.since,
            "not known" if session.soc is None else f"{session.soc:.0%} of {session.target_soc:.0%}",
            f"{session.allocated_power:.1f} of {session.ceiling_kw:.1f} kW",
            f"{session.battery_kw:.1f} kW",
            f"{session.energy_kwh:.1f} kWh",
            "not known" if minutes is None else f"{minutes:.0f} min",
            f'<span class="el-held">{car.reason}</span>' if car.is_held_back else car.reason,
        ]
    )


def _idle_words(connector: ConnectorView) -> str:
    return "free" if connector.available else "out of service"


def _cells(texts: Sequence[str], kind: str = "") -> str:
    # HTML closes cells and rows by itself: fifty rows a redraw are shorter without these tags.
    inner = "".join(f"<td>{text}" for text in texts)
    return f"<tr{kind}>{inner}"


def event_log(log: Sequence[LogEntry]) -> str:
    """Return the log, newest first."""
    if not log:
        return '<p class="el-empty">Nothing has happened yet.</p>'
    items = "".join(
        f"<li><time>{entry.time}</time><span>{escape(entry.words)}</span></li>"
        for entry in log[:MAX_LOG_LINES]
    )
    return f'<ol class="el-log" tabindex="0" aria-label="Events, newest first">{items}</ol>'


def _panel(title: str, content: str) -> str:
    return f'<section class="el-panel"><h2>{title}</h2>{content}</section>'


def connector_bars(frame: Frame) -> list[Bar]:
    """Return a bar for each connector, free ones too, so that none jumps when a car arrives."""
    return [_bar(each) for each in frame.connectors]


def _bar(connector: ConnectorView) -> Bar:
    name, car = escape(connector.label), connector.car
    if car is None:
        return Bar(connector.connector_id, name, 0.0, 0.0, 0.0, f"{name}: {_idle_words(connector)}")
    session = car.session
    words = (
        f"{name}: {escape(car.name)}<br>{session.grid_kw:.1f} kW grid"
        f" + {session.battery_kw:.1f} kW battery of {session.ceiling_kw:.1f} kW<br>{car.reason}"
    )
    return Bar(connector.connector_id, name, session.grid_kw, session.battery_kw, session.ceiling_kw, words)


def chart_titles(frame: Frame) -> dict[str, str]:
    """Return the title of each chart, with its finding."""
    status, battery = frame.status, frame.status.battery
    stored = f"{battery.state_of_charge:.0%}, {_battery_words(frame)}" if battery else "this station has none"
    spare_kw = max(0.0, status.site_limit_kw - frame.site_kw)
    spare = f"{spare_kw:.1f} kW to spare" if spare_kw >= 0.05 else "at its limit"
    site = next(iter(_excess_words(frame)), f"{spare} of {kw(status.site_limit_kw)} kW")
    total_kw = sum(car.session.allocated_power for car in frame.cars)
    return {
        "bars": f"<b>Power per connector</b><br>{_finding(frame)}",
        "sessions": f"<b>Power of each session</b><br>{total_kw:.1f} kW together",
        "site": f"<b>Site</b><br>{site}",
        "battery": f"<b>Battery</b><br>{stored}",
    }


def _finding(frame: Frame) -> str:
    """Return how the cars are served."""
    count = len(frame.cars)
    if not count:
        return "no car is connected"
    here = Counter(car.session.condition for car in frame.cars)
    held = Counter(car.reason for car in frame.cars if car.is_held_back)
    found = []
    if held:
        most = held.most_common(1)[0][0]
        found.append(f"{held.total()} of {count} held back{', most' if len(held) > 1 else ''} by {most}")
    if here["suspended"]:
        found.append(f"{here['suspended']} of {count} out of service")
    if here["finished"] == count:
        found.append("every car is done")
    return ", ".join(found) or "every car gets what it can take"


def legend() -> str:
    """Return the meaning of the charts' colours."""
    items = (
        (GRID, "from the grid"),
        (BATTERY, "from the battery"),
        (CEILING, "the car's maximum"),
        (LIMIT, "grid limit"),
        (CHARGING, "charging the battery"),
        (STORED, "SoC"),
        (STATIC, "static load"),
    )
    return legend_of(items)


def comparison(frame: Frame) -> str:
    """Return the table of the station beside the same cars under other rules; empty without these."""
    here, shadow = frame.around.outcome, frame.around.shadow
    if shadow is None:
        return ""
    rows = [
        (title, *_figures(getattr(here, name), getattr(shadow.outcome, name))) for title, name in OUTCOMES
    ]
    heads = "".join(_number("th", title, ' scope="col"') for title in ("As it is", "What if", "Change"))
    lines = "".join(
        f'<tr><th scope="row">{title}</th>{"".join(_number("td", text) for text in texts)}</tr>'
        for title, *texts in rows
    )
    change = escape(shadow.change.replace("_", " "))
    return (
        f'<p class="el-note">The same cars so far, {change}:</p><table class="el-small">'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _figures(here: float, there: float) -> tuple[str, str, str]:
    change = f"{abs(there - here):.1f}"
    sign = "" if float(change) == 0.0 else "+" if there > here else "−"  # noqa: RUF001 (as wide as a plus)
    return f"{here:.1f}", f"{there:.1f}", f"{sign}{change}" if sign else "0"


def _number(tag: str, text: str, more: str = "") -> str:
    return f'<{tag} class="el-num"{more}>{text}</{tag}>'


def refusal(words: str) -> str:
    """Return the sentence of a refusal; empty without one."""
    lines = escape(words).replace("\n", "<br>")
    return f'<p class="el-refusal">{lines}</p>' if words else ""


def kw(value: float) -> str:
    """Return kilowatts without a decimal that is zero: 172.5, 400, 61.4."""
    return f"{value:.1f}".removesuffix(".0")
