"""The page's words: pure functions from a status to text and HTML. Every text from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from electra_core.figures import Bar
from electra_core.figures.colours import BATTERY, CEILING, CHARGING, GRID, LIMIT, STATIC, STORED
from electra_core.snapshot import Limit
from electra_core.status import BatteryStatus, ConnectorStatus, SessionStatus, StationStatus

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


def headline(status: StationStatus) -> str:
    """One sentence of state."""
    cars = len(status.sessions)
    people = "No car" if cars == 0 else "1 car" if cars == 1 else f"{cars} cars"
    site = f"{_kw(site_kw(status))} of {_kw(status.site_limit_kw)} kW from the grid"
    safe = ["at its fail-safe limit"] if status.fail_safe else []
    return ", ".join([people, site, *safe, *_excess_words(status), *_battery_words(status.battery)])


def _excess_words(status: StationStatus) -> list[str]:
    """The site's own load can be more than the limit; then the cars get nothing, and it must be said."""
    excess_kw = site_kw(status) - status.site_limit_kw
    return [f"the static load alone is {_kw(excess_kw)} kW too much"] if excess_kw >= 0.05 else []


def _battery_words(battery: BatteryStatus | None) -> list[str]:
    if battery is None:
        return []
    if not battery.available:
        return ["battery out of service"]
    if battery.power_kw < 0.0:
        return [f"battery helping with {_kw(-battery.power_kw)} kW"]
    if battery.power_kw > 0.0:
        return [f"battery charging with {_kw(battery.power_kw)} kW"]
    return ["battery full" if battery.state_of_charge > 0.999 else "battery at rest"]


def site_kw(status: StationStatus) -> float:
    """Import of the whole site, static load and standby included, kW."""
    return status.grid_kw + status.static_load_kw + status.standby_kw


def header(status: StationStatus, day_title: str, source: str, time: str) -> str:
    """Name, clock, and one sentence."""
    credit = f" · figures: {escape(source)}" if source else ""
    return (
        f'<header class="el-header"><div><h1>{escape(status.station_id)}</h1>'
        f'<p class="el-note">{escape(day_title)}{credit}</p></div>'
        f'<p class="el-clock"><span class="el-time">{time}</span></p>'
        f'<p class="el-headline">{headline(status)}</p></header>'
    )


def cards(status: StationStatus) -> str:
    """The four numbers that an operator looks at first."""
    used_kw, limit_kw = site_kw(status), status.site_limit_kw
    sessions = [session for _, _, session in status.sessions]
    charging = sum(1 for session in sessions if session.allocated_power > 0.0)
    done = sum(1 for session in sessions if session.limited_by is Limit.FINISHED)
    lacking_kwh = sum(session.remaining_kwh or 0.0 for session in sessions)
    parts = [
        _card("From the grid", f"{used_kw:.1f} kW", f"limit {_kw(limit_kw)} kW", _share(used_kw, limit_kw)),
        _battery_card(status.battery),
        _card("Cars charging", f"{charging}", f"{len(sessions)} connected, {done} done"),
        _card("Delivered", f"{status.delivered_kwh:.0f} kWh", f"{lacking_kwh:.0f} kWh still wanted"),
    ]
    return f'<div class="el-cards">{"".join(parts)}</div>'


def _battery_card(battery: BatteryStatus | None) -> str:
    if battery is None:
        return _card("Battery", "none", "this station has no battery")
    soc = battery.state_of_charge
    return _card("Battery", f"{soc:.0%}", _battery_words(battery)[0], soc)


def _card(title: str, number: str, note: str, part: float | None = None) -> str:
    over = ' class="el-over"' if part is not None and part > 1.0 else ""
    width = 0.0 if part is None else 100.0 * min(1.0, part)
    bar = "" if part is None else f'<div class="el-bar"><span{over} style="width:{width:.1f}%"></span></div>'
    return (
        f'<div class="el-card"><p class="el-card-title">{title}</p>'
        f'<p class="el-card-number">{number}</p><p class="el-note">{note}</p>{bar}</div>'
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole > 0.0 else 2.0 * (part > 0.0)


def session_table(status: StationStatus, times: dict[str, str]) -> str:
    """Who is here: car, connector, since when, SoC, power, energy, minutes to its target, why not faster."""
    if not status.sessions:
        return '<p class="el-empty">No car is connected. Let one arrive.</p>'
    rows = "".join(
        _row(charger_id, connector, session, times[session.session_id])
        for charger_id, connector, session in status.sessions
    )
    head = "".join(f'<th class="{kind}">{title}</th>' for title, kind in COLUMNS)
    return (
        '<div class="el-scroll">'
        f'<table class="el-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


# Title and kind of each column; on a phone the titles stand before the cells.
COLUMNS = (
    ("Car", "el-car"),
    ("Connector", ""),
    ("Since", "el-num"),
    ("SoC", "el-num"),
    ("Power", "el-num"),
    ("From battery", "el-num"),
    ("Energy", "el-num"),
    ("To target", "el-num"),
    ("Why not faster", ""),
)


def _row(charger_id: str, connector: int, session: SessionStatus, since: str) -> str:
    minutes = session.minutes_to_target
    texts = (
        escape(session.vehicle) or "A car",
        f"{escape(charger_id)}·{connector}",
        since,
        "not known" if session.soc is None else f"{session.soc:.0%} of {session.target_soc:.0%}",
        f"{session.allocated_power:.1f} of {session.ceiling_kw:.1f} kW",
        f"{session.battery_kw:.1f} kW",
        f"{session.energy_kwh:.1f} kWh",
        "not known" if minutes is None else f"{minutes:.0f} min",
        _reason(session),
    )
    cells = zip(COLUMNS, texts, strict=True)
    return (
        "<tr>"
        + "".join(f'<td class="{kind}" data-title="{title}">{text}</td>' for (title, kind), text in cells)
        + "</tr>"
    )


def _reason(session: SessionStatus) -> str:
    reason = REASONS[session.limited_by]
    return f'<span class="el-held">{reason}</span>' if session.limited_by in HELD_BACK else reason


def done_mark(session: SessionStatus) -> str:
    """Tells the car that can leave from the others in a list."""
    return " (done)" if session.limited_by is Limit.FINISHED else ""


def event_log(lines: Sequence[str], shown: int = 9) -> str:
    """Newest first."""
    if not lines:
        return '<p class="el-empty">Nothing has happened yet.</p>'
    items = "".join(f"<li><time>{escape(line[:5])}</time> {escape(line[6:])}</li>" for line in lines[:shown])
    return f'<ol class="el-log">{items}</ol>'


def connector_bars(status: StationStatus) -> list[Bar]:
    """One bar a connector, free ones too, so that none jumps when a car arrives."""
    return [
        _bar(f"{charger.charger_id}·{connector.connector_id}", connector)
        for charger in status.chargers
        for connector in charger.connectors
    ]


def _bar(label: str, connector: ConnectorStatus) -> Bar:
    session = connector.session
    if session is None:
        words = "free" if connector.available else "out of service"
        return Bar(escape(label), 0.0, 0.0, 0.0, f"{escape(label)}: {words}")
    words = (
        f"{escape(label)}: {escape(session.vehicle)}<br>{session.grid_kw:.1f} kW grid"
        f" + {session.battery_kw:.1f} kW battery of {session.ceiling_kw:.1f} kW"
        f"<br>{REASONS[session.limited_by]}"
    )
    return Bar(escape(label), session.grid_kw, session.battery_kw, session.ceiling_kw, words)


def chart_titles(status: StationStatus) -> dict[str, str]:
    """What each chart shows, said as a finding."""
    sessions = [session for _, _, session in status.sessions]
    held = [session for session in sessions if session.limited_by in HELD_BACK]
    by = sorted({REASONS[session.limited_by] for session in held})
    finding = "every car gets what it can take" if sessions else "no car is connected"
    if held:
        finding = f"{len(held)} of {len(sessions)} held back by {' and '.join(by)}"
    battery = status.battery
    stored = (
        f"{battery.state_of_charge:.0%}, {_battery_words(battery)[0]}" if battery else "this station has none"
    )
    free_kw = max(0.0, status.site_limit_kw - site_kw(status))
    room = f"{_kw(free_kw)} kW to spare" if free_kw >= 0.05 else "at its limit"
    room = next(iter(_excess_words(status)), f"{room} of {_kw(status.site_limit_kw)} kW")
    return {
        "sessions": f"<b>Power per connector</b><br>{finding}",
        "site": f"<b>Site</b><br>{room}",
        "battery": f"<b>Battery</b><br>{stored}",
    }


def refusal(words: str) -> str:
    """Why something was refused; empty when nothing was."""
    return f'<p class="el-refusal" role="alert">{escape(words)}</p>' if words else ""


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
        (STORED, "battery SoC"),
        (STATIC, "static load"),
    )
    marks = "".join(f'<li><i style="background:{color}"></i>{text}</li>' for color, text in items)
    return f'<ul class="el-legend">{marks}</ul>'


def _kw(kw: float) -> str:
    """Kilowatts without a decimal that says nothing: 172.5, 400, 61.4."""
    return f"{kw:.1f}".removesuffix(".0")
