"""The page's words: pure functions from a status to text and HTML. Every text from outside is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from electra_core.allocation import Limit
from electra_core.dashboard.figures import Bar
from electra_core.dashboard.figures.colours import BATTERY, CEILING, CHARGING, GRID, LIMIT, STATIC, STORED
from electra_core.dashboard.station_page.labels import NAMELESS, label
from electra_core.dashboard.station_page.what_if import Outcome
from electra_core.station import BatteryStatus, ConnectorId, ConnectorStatus, SessionStatus, StationStatus

REASONS = {
    Limit.VEHICLE: "the car's own curve",
    Limit.CONNECTOR: "connector limit",
    Limit.CHARGER: "charger limit",
    Limit.SITE: "site limit",
    Limit.MINIMUM: "waits: less is left than it needs",
    Limit.MODULE: "no power module is free",
    Limit.FAULT: "out of service",
    Limit.FINISHED: "done",
    Limit.PLAN: "held back by the plan",
}

# Reasons that lie with the station: the car could take more.
HELD_BACK = (Limit.CONNECTOR, Limit.CHARGER, Limit.SITE, Limit.MINIMUM, Limit.MODULE, Limit.PLAN)

# Up to so many connectors the table has a row for each, so that nothing jumps when a car comes.
ROWS = 12


def is_held_back(session: SessionStatus) -> bool:
    """Whether it is the station that stops the car from charging faster."""
    return session.limited_by in HELD_BACK


def name_of_car(session: SessionStatus) -> str:
    """What people call the car."""
    return session.vehicle or NAMELESS


def headline(status: StationStatus) -> str:
    """One sentence of state."""
    cars = len(status.sessions)
    people = "No car" if cars == 0 else "1 car" if cars == 1 else f"{cars} cars"
    site = f"{kw(site_kw(status))} of {kw(status.site_limit_kw)} kW from the grid"
    battery = [] if status.battery is None else [f"battery {battery_words(status.battery)}"]
    troubles = [*_safe_words(status), *_excess_words(status), *_out_words(status)]
    return ", ".join([people, site, *troubles, *battery])


def _safe_words(status: StationStatus) -> list[str]:
    return ["at its fail-safe limit because the meter is silent"] if status.fail_safe else []


def _excess_words(status: StationStatus) -> list[str]:
    """The site's own load can be more than the limit; then the cars get nothing, and it must be said."""
    excess_kw = site_kw(status) - status.site_limit_kw
    return [f"the static load alone is {kw(excess_kw)} kW too much"] if excess_kw >= 0.05 else []


def _out_words(status: StationStatus) -> list[str]:
    """Whole chargers, and connectors of the others, that are out of service."""
    out = []
    for charger in status.chargers:
        numbers = [each.connector_id for each in charger.connectors if not each.available]
        names = [label((charger.charger_id, number)) for number in numbers]
        out += names if charger.available else [charger.charger_id]
    return [f"{out[0] if len(out) == 1 else f'{len(out)} parts'} out of service"] if out else []


def battery_words(battery: BatteryStatus, *, short: bool = False) -> str:
    """What the battery does now."""
    with_kw = "" if short else f" with {abs(battery.power_kw):.1f} kW"
    if not battery.available:
        return "out of service"
    if battery.power_kw < 0.0:
        return f"helping{with_kw}"
    if battery.power_kw > 0.0:
        return f"charging{with_kw}"
    return "full" if battery.state_of_charge > 0.999 else "at rest"


def grid_words(status: StationStatus) -> tuple[str, bool]:
    """How the grid connection stands, in few words; and whether that is a trouble."""
    limit = f"limit {kw(status.site_limit_kw)} kW"
    if status.fail_safe:
        return f"{limit}: meter silent", True
    return limit, bool(_excess_words(status)) or status.site_limit_kw == 0.0


def site_kw(status: StationStatus) -> float:
    """Import of the whole site, static load and standby included, kW."""
    return status.grid_kw + status.static_load_kw + status.standby_kw


def header(status: StationStatus, day_title: str, source: str, time: str, notice: str = "") -> str:
    """Name, clock, and one sentence; and why the page shows no more than that it once was so."""
    stale = f'<p class="el-stale" role="status">{escape(notice)}</p>' if notice else ""
    credit = f" · figures: {escape(source)}" if source else ""
    return (
        f'<header class="el-header"><div><h1>{escape(status.station_id)}</h1>'
        f'<p class="el-note">{escape(day_title)}{credit}</p></div>'
        f'<p class="el-time" role="timer" aria-label="Time at the station">{time}</p>'
        f'<p class="el-headline">{headline(status)}</p>{stale}</header>'
    )


def cards(status: StationStatus) -> str:
    """The four numbers that an operator looks at first."""
    used_kw, limit_kw = site_kw(status), status.site_limit_kw
    sessions = [session for _, _, session in status.sessions]
    here = Counter(session.condition for session in sessions)
    out = f", {here['suspended']} out of service" if here["suspended"] else ""
    waiting = f"{here['waiting']} waiting, {here['finished']} done{out}, {len(sessions)} connected"
    lacking_kwh = sum(session.remaining_kwh or 0.0 for session in sessions)
    parts = [
        _card("From the grid", f"{used_kw:.1f} kW", f"limit {kw(limit_kw)} kW", _share(used_kw, limit_kw)),
        _battery_card(status.battery),
        _card("Cars charging", f"{here['charging']}", waiting, _share(here["charging"], len(sessions))),
        _card("Delivered", f"{status.delivered_kwh:.1f} kWh", f"{lacking_kwh:.1f} kWh still wanted", 0.0),
    ]
    return f'<div class="el-cards">{"".join(parts)}</div>'


def _battery_card(battery: BatteryStatus | None) -> str:
    if battery is None:
        return _card("Battery", "none", "this station has no battery")
    soc = battery.state_of_charge
    return _card("Battery", f"{soc:.1%}", battery_words(battery), soc)


def _card(title: str, number: str, note: str, part: float | None = None) -> str:
    over = ' class="el-over"' if part is not None and part > 1.0 else ""
    width = 0.0 if part is None else 100.0 * min(1.0, part)
    bar = f'<div class="el-bar"><span{over} style="width:{width:.1f}%"></span></div>' if part else ""
    return (
        f'<div class="el-card"><p class="el-card-title">{title}</p>'
        f'<p class="el-card-number">{number}</p><p class="el-note">{note}</p>{bar}</div>'
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole > 0.0 else 2.0 * (part > 0.0)


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


def session_table(status: StationStatus, times: Mapping[str, str], colours: Mapping[ConnectorId, str]) -> str:
    """Who is here: car, connector, since when, SoC, power, energy, minutes to its target, why not faster."""
    plugs = [(charger.charger_id, plug) for charger in status.chargers for plug in charger.connectors]
    if len(plugs) > ROWS:
        plugs = [(charger_id, plug) for charger_id, plug in plugs if plug.session is not None]
    if not plugs:
        return '<p class="el-empty">No car is connected. Let one arrive.</p>'
    rows = "".join(_row(charger_id, plug, times, colours) for charger_id, plug in plugs)
    head = "".join(f'<th scope="col">{title}</th>' for title in COLUMNS)
    titles = "".join(f"--title-{number}:'{title}';" for number, title in enumerate(COLUMNS, start=1))
    return (
        '<div class="el-scroll" tabindex="0" role="region" aria-label="Table of the sessions">'
        f'<table class="el-table" style="{titles}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(
    charger_id: str, plug: ConnectorStatus, times: Mapping[str, str], colours: Mapping[ConnectorId, str]
) -> str:
    place, session = (charger_id, plug.connector_id), plug.session
    where = f'<i style="background:{colours[place]}"></i>{escape(label(place))}'
    if session is None:
        free = "free" if plug.available else "out of service"
        texts = [where, f'<span class="el-empty">{free}</span>', *[""] * (len(COLUMNS) - 2)]
        return _cells(texts, ' class="el-idle"')
    minutes = session.minutes_to_target
    return _cells(
        [
            where,
            escape(name_of_car(session)),
            times[session.session_id],
            "not known" if session.soc is None else f"{session.soc:.0%} of {session.target_soc:.0%}",
            f"{session.allocated_power:.1f} of {session.ceiling_kw:.1f} kW",
            f"{session.battery_kw:.1f} kW",
            f"{session.energy_kwh:.1f} kWh",
            "not known" if minutes is None else f"{minutes:.0f} min",
            _reason(session),
        ]
    )


def _cells(texts: Sequence[str], kind: str = "") -> str:
    # HTML closes cells and rows by itself: fifty rows a redraw are shorter without these tags.
    inner = "".join(f"<td>{text}" for text in texts)
    return f"<tr{kind}>{inner}"


def _reason(session: SessionStatus) -> str:
    reason = REASONS[session.limited_by]
    return f'<span class="el-held">{reason}</span>' if is_held_back(session) else reason


def event_log(lines: Sequence[str], shown: int = 40) -> str:
    """Newest first."""
    if not lines:
        return '<p class="el-empty">Nothing has happened yet.</p>'
    items = "".join(
        f"<li><time>{escape(line[:5])}</time><span>{escape(line[6:])}</span></li>" for line in lines[:shown]
    )
    return f'<ol class="el-log" tabindex="0" aria-label="Events, newest first">{items}</ol>'


def connector_bars(status: StationStatus) -> list[Bar]:
    """One bar a connector, free ones too, so that none jumps when a car arrives."""
    return [
        _bar((charger.charger_id, connector.connector_id), connector)
        for charger in status.chargers
        for connector in charger.connectors
    ]


def _bar(place: ConnectorId, connector: ConnectorStatus) -> Bar:
    session, name = connector.session, escape(label(place))
    if session is None:
        words = "free" if connector.available else "out of service"
        return Bar(place, name, 0.0, 0.0, 0.0, f"{name}: {words}")
    words = (
        f"{name}: {escape(name_of_car(session))}<br>{session.grid_kw:.1f} kW grid"
        f" + {session.battery_kw:.1f} kW battery of {session.ceiling_kw:.1f} kW"
        f"<br>{REASONS[session.limited_by]}"
    )
    return Bar(place, name, session.grid_kw, session.battery_kw, session.ceiling_kw, words)


def chart_titles(status: StationStatus) -> dict[str, str]:
    """What each chart shows, said as a finding."""
    sessions = [session for _, _, session in status.sessions]
    finding = _finding(sessions)
    battery = status.battery
    stored = (
        f"{battery.state_of_charge:.0%}, {battery_words(battery)}" if battery else "this station has none"
    )
    free_kw = max(0.0, status.site_limit_kw - site_kw(status))
    room = f"{free_kw:.1f} kW to spare" if free_kw >= 0.05 else "at its limit"
    room = next(iter(_excess_words(status)), f"{room} of {kw(status.site_limit_kw)} kW")
    total_kw = sum(session.allocated_power for session in sessions)
    return {
        "bars": f"<b>Power per connector</b><br>{finding}",
        "sessions": f"<b>Power of each session</b><br>{total_kw:.1f} kW together",
        "site": f"<b>Site</b><br>{room}",
        "battery": f"<b>Battery</b><br>{stored}",
    }


def _finding(sessions: Sequence[SessionStatus]) -> str:
    """How the cars are served."""
    if not sessions:
        return "no car is connected"
    here = Counter(session.condition for session in sessions)
    held = Counter(REASONS[session.limited_by] for session in sessions if is_held_back(session))
    found = []
    if held:
        most = held.most_common(1)[0][0]
        found.append(
            f"{held.total()} of {len(sessions)} held back{', most' if len(held) > 1 else ''} by {most}"
        )
    if here["suspended"]:
        found.append(f"{here['suspended']} of {len(sessions)} out of service")
    if here["finished"] == len(sessions):
        found.append("every car is done")
    return ", ".join(found) or "every car gets what it can take"


def comparison(what: str, here: Outcome, there: Outcome) -> str:
    """The station beside the same cars under other rules."""
    figures = zip(OUTCOMES, here, there, strict=True)
    rows = [
        (title, form.format(now), form.format(other), _signed(other - now, form))
        for (title, form), now, other in figures
    ]
    heads = "".join(_number("th", title, ' scope="col"') for title in ("As it is", "What if", "Change"))
    lines = "".join(
        f'<tr><th scope="row">{title}</th>{"".join(_number("td", text) for text in texts)}</tr>'
        for title, *texts in rows
    )
    return (
        f'<p class="el-note">The same cars so far, {escape(what)}:</p><table class="el-small">'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _number(tag: str, text: str, more: str = "") -> str:
    return f'<{tag} class="el-num"{more}>{text}</{tag}>'


# The figures of an `Outcome`, in its order.
OUTCOMES = (
    ("Delivered, kWh", "{:.1f}"),
    ("Still wanted, kWh", "{:.1f}"),
    ("Minutes to target, mean", "{:.1f}"),
    ("Imported, kWh", "{:.1f}"),
    ("Highest import, kW", "{:.1f}"),
)


def _signed(value: float, form: str) -> str:
    shown = form.format(abs(value))
    if float(shown) == 0.0:
        return "0"
    return f"{'+' if value > 0.0 else '−'}{shown}"  # noqa: RUF001 (a minus as wide as a plus)


def refusal(words: str) -> str:
    """Why something was refused; empty when nothing was."""
    lines = escape(words).replace("\n", "<br>")
    return f'<p class="el-refusal">{lines}</p>' if words else ""


def panel(title: str, content: str) -> str:
    """A titled part of the page."""
    return f'<section class="el-panel"><h2>{title}</h2>{content}</section>'


def legend() -> str:
    """What the colours of the charts mean."""
    items = (
        (GRID, "from the grid"),
        (BATTERY, "from the battery"),
        (CEILING, "the car could take"),
        (LIMIT, "grid limit"),
        (CHARGING, "charging the battery"),
        (STORED, "SoC"),
        (STATIC, "static load"),
    )
    return legend_of(items)


def legend_of(items: Sequence[tuple[str, str]], note: str = "") -> str:
    """Colours and what they mean, and perhaps a note."""
    marks = "".join(f'<li><i style="background:{color}"></i>{text}</li>' for color, text in items)
    return f'<ul class="el-legend">{marks}{f"<li>{note}</li>" if note else ""}</ul>'


def kw(value: float) -> str:
    """Kilowatts without a decimal that says nothing: 172.5, 400, 61.4."""
    return f"{value:.1f}".removesuffix(".0")
