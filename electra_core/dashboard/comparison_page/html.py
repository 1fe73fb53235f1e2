"""Text and HTML of the comparison page: pure functions; text from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from electra_core.dashboard.comparison_page.model import Comparison, Outcome
from electra_core.dashboard.figures.colours import GRID, LIMIT, STORED
from electra_core.dashboard.figures.comparison import Row
from electra_core.dashboard.files import csv_of
from electra_core.dashboard.widgets.styles import legend_of

# The order in which each strategy serves cars, in a few words.
MEANINGS = {
    "max_min": "everyone alike",
    "proportional": "by what each can take",
    "first_come": "who arrived first",
    "earliest_deadline": "who leaves first",
    "least_laxity": "who has least time to spare",
    "priority": "the higher priority",
    "uniform": "equal parts, spare power is lost",
    "best_instant": "most power at each instant",
    "mpc": "plans ahead for who is here",
}


class Line(NamedTuple):
    """A row of the table: ``best`` is ``most``, ``least``, or empty where neither is better."""

    key: str
    title: str
    form: str
    best: str
    note: str = ""


REGRET = "regret_kwh"
BEST = "<small>best</small> "
LINES = (
    Line("delivered_kwh", "Delivered, kWh", "{:,.1f}", "most"),
    Line("delivered_share", "Share of what was wanted", "{:.1%}", "most"),
    Line("lacked_kwh", "Still lacking, kWh", "{:,.1f}", "least"),
    Line(
        REGRET, "Regret, kWh", "{:,.1f}", "least", "what the best in hindsight would have delivered beyond it"
    ),
    Line("waited_mean_min", "Wait for a connector, mean, min", "{:,.1f}", "least"),
    Line("waited_p95_min", "Wait for a connector, 95th percentile, min", "{:,.1f}", "least"),
    Line(
        "added_p50_min",
        "Added minutes, median",
        "{:,.1f}",
        "least",
        "beyond the same station with an unlimited grid",
    ),
    Line(
        "added_p95_min", "Added minutes, 95th percentile", "{:,.1f}", "least", "19 of 20 drivers lose no more"
    ),
    Line("without_power_min", "Plugged in without power, min", "{:,.1f}", "least", "of all drivers together"),
    Line("jain", "Fairness of power (Jain)", "{:.3f}", "most", "1 is the same power for all"),
    Line("peak_15min_kw", "Highest quarter-hour, kW", "{:,.1f}", "", "low also where little is delivered"),
    Line("battery_cycles", "Battery, full cycles", "{:.2f}", "", "more help is more wear"),
)


def name_of(strategy: str) -> str:
    """Return a strategy's name as the page shows it: first come."""
    return strategy.replace("_", " ")


def values_of(comparison: Comparison, line: Line) -> list[float | None]:
    """Return the figure of a row for each strategy; None: not known."""
    return [_value(comparison, outcome, line.key) for outcome in comparison.outcomes]


def _value(comparison: Comparison, outcome: Outcome, key: str) -> float | None:
    if key != REGRET:
        return outcome.metrics[key]
    if comparison.best_kwh is None:
        return None
    lacking_kwh = comparison.best_kwh - outcome.metrics["delivered_kwh"]
    # As in `regret`: a difference of rounding is none.
    return 0.0 if abs(lacking_kwh) <= 1e-9 * max(1.0, comparison.best_kwh) else lacking_kwh


def results(comparison: Comparison | None) -> str:
    """Return the table: a column a strategy, a row a figure, the best of each row marked by a word."""
    if comparison is None:
        return '<p class="el-empty">Nothing has been run yet. Choose strategies and press Run.</p>'
    head = "".join(_column_head(outcome.strategy) for outcome in comparison.outcomes)
    rows = "".join(_row(comparison, line) for line in LINES)
    about = f"{escape(comparison.station_name)}, {escape(comparison.log_title)}"
    return (
        '<div class="el-scroll" tabindex="0" role="region" aria-label="Table of results">'
        f'<table class="el-results"><caption>{about}</caption>'
        f'<thead><tr><th scope="col">Result</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _column_head(strategy: str) -> str:
    meaning = escape(MEANINGS.get(strategy, ""))
    return f'<th scope="col" class="el-num">{escape(name_of(strategy))}<small>{meaning}</small></th>'


def _row(comparison: Comparison, line: Line) -> str:
    values = values_of(comparison, line)
    texts = [_shown(value, line.form) for value in values]
    best = _best(values, texts, line.best)
    cells = "".join(
        f'<td class="el-num{" el-best" if text in best else ""}">{BEST if text in best else ""}{text}</td>'
        for text in texts
    )
    note = f"<small>{escape(line.note)}</small>" if line.note else ""
    return f'<tr><th scope="row">{escape(line.title)}{note}</th>{cells}</tr>'


def _shown(value: float | None, form: str) -> str:
    """Return a figure as shown; one that rounds to 0 has no sign."""
    return "not known" if value is None else form.format(value + 0.0 if abs(value) >= 5e-5 else 0.0)


def _best(values: Sequence[float | None], texts: Sequence[str], which: str) -> set[str]:
    """Return the best figure as shown; none where all look alike."""
    known = [(value, text) for value, text in zip(values, texts, strict=True) if value is not None]
    if not which or len(set(texts)) < 2 or not known:
        return set()
    return {(max if which == "most" else min)(known)[1]}


def results_csv(comparison: Comparison) -> bytes:
    """Return the table as CSV: a row a strategy, columns named as in `Result.metrics`, all digits."""
    figures = [values_of(comparison, line) for line in LINES]
    rows = [
        (comparison.station_name, comparison.log_title, outcome.strategy, *values)
        for outcome, *values in zip(comparison.outcomes, *figures, strict=True)
    ]
    return csv_of(["station", "log", "strategy", *(line.key for line in LINES)], rows)


def finding(comparison: Comparison | None) -> str:
    """Return the finding in a sentence or two."""
    if comparison is None:
        return ""
    outcomes = comparison.outcomes
    best = max(outcomes, key=lambda outcome: outcome.metrics["delivered_kwh"])
    most = f"{best.metrics['delivered_kwh']:,.1f}"
    alike = [one for one in outcomes if f"{one.metrics['delivered_kwh']:,.1f}" == most]
    if len(outcomes) == 1:
        share = best.metrics["delivered_share"]
        return f"{name_of(best.strategy)} delivers {most} kWh, {share:.1%} of what was wanted."
    if len(alike) == len(outcomes):
        every = "Both" if len(outcomes) == 2 else f"All {len(outcomes)}"
        return f"{every} deliver the same, {most} kWh; {_slower(outcomes)}."
    names = _listed([name_of(one.strategy) for one in alike])
    worst = min(outcomes, key=lambda outcome: outcome.metrics["delivered_kwh"])
    more = worst.metrics["lacked_kwh"] - best.metrics["lacked_kwh"]
    verb = "delivers" if len(alike) == 1 else "deliver"
    return f"{names} {verb} most, {most} kWh; {name_of(worst.strategy)} lacks {more:,.1f} kWh more."


def _slower(outcomes: Sequence[Outcome]) -> str:
    """Return which strategies cost drivers the most and the least time, at the 95th percentile."""
    slow = max(outcomes, key=lambda outcome: outcome.metrics["added_p95_min"])
    fast = min(outcomes, key=lambda outcome: outcome.metrics["added_p95_min"])
    lost, least = (f"{one.metrics['added_p95_min']:,.1f}" for one in (slow, fast))
    if lost == least:
        return "and none of them makes drivers wait longer than another"
    return (
        f"one driver in 20 loses {lost} minutes or more under {name_of(slow.strategy)},"
        f" and {least} under {name_of(fast.strategy)}"
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def headline(comparison: Comparison | None) -> str:
    """Return the finding for the top of the page."""
    return f'<p class="el-finding">{escape(_capital(finding(comparison)))}</p>'


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def header() -> str:
    """Return the title of the page and its purpose."""
    return (
        '<header class="el-header"><h1>Strategies compared</h1>'
        '<p class="el-note el-lead">The same cars at the same station, once for each strategy:'
        " how much energy they get, how long they wait, and how high the import rises.</p></header>"
    )


def rows_of(comparison: Comparison | None) -> list[Row]:
    """Return the rows of the figure, each with its finding as title."""
    if comparison is None:
        return []
    return [Row(_row_title(outcome), outcome.curve) for outcome in comparison.outcomes]


def _row_title(outcome: Outcome) -> str:
    found = outcome.metrics
    return (
        f"<b>{escape(name_of(outcome.strategy))}</b>: {found['delivered_kwh']:,.1f} kWh delivered"
        f"<br>highest quarter-hour {found['peak_15min_kw']:,.1f} of {outcome.curve.limit_kw:,g} kW"
    )


def legend(comparison: Comparison | None) -> str:
    """Return the meaning of the colours, and of a point of a curve."""
    items = [(GRID, "import of the site"), (LIMIT, "its limit (dashed)")]
    has_battery = comparison is not None and any(one.curve.soc is not None for one in comparison.outcomes)
    items += [(STORED, "SoC of the battery (dotted, right scale)")] if has_battery else []
    minutes = 60.0 * comparison.outcomes[0].curve.point_h if comparison else 0.0
    return legend_of(items, f"each point is the mean of {_span(minutes)}" if minutes else "")


def _span(minutes: float) -> str:
    return "a minute" if round(minutes, 3) == 1.0 else f"{minutes:g} minutes"


def progress_bar(progress: float, message: str, *, is_alert: bool) -> str:
    """Return the progress of a run with its message beside it; a refusal or a failure is an alert."""
    percent = round(100.0 * progress)
    words = escape(message).replace("\n", "<br>")
    said = f'<p class="el-refusal" role="alert">{words}</p>' if is_alert else f'<p role="status">{words}</p>'
    return (
        '<div class="el-progress"><div class="el-bar" role="progressbar"'
        ' aria-label="Progress of the comparison"'
        f' aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}">'
        f'<span style="width:{percent}%"></span></div>{said}</div>'
    )
