"""The comparison page without a browser: model, text and figure."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pages import parts
from traitlets import TraitError

from electra_core import load_config, simulate
from electra_core.dashboard.comparison_page.html import (
    LINES,
    finding,
    progress_bar,
    results,
    results_csv,
    rows_of,
    values_of,
)
from electra_core.dashboard.comparison_page.logs import MADE_UP
from electra_core.dashboard.comparison_page.model import ComparisonModel, open_comparison
from electra_core.dashboard.comparison_page.view import comparison_page
from electra_core.dashboard.figures.comparison import POINTS, ROWS, comparison_changes, comparison_figure
from electra_core.dashboard.widgets.file_transfer import MAX_BYTES, Files
from electra_core.optimization import regret
from electra_core.sessions import day_sessions

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def model() -> ComparisonModel:
    return open_comparison(CONFIGS)


def test_numbers_are_those_of_simulate(model: ComparisonModel) -> None:
    config = load_config(CONFIGS / "electra_paris_15.json")
    lines = {line.key: line for line in LINES}
    shown = values_of(model.comparison, lines["regret_kwh"])
    for outcome, regret_kwh in zip(model.comparison.outcomes, shown, strict=True):
        result = simulate(config, day_sessions("paris_evening"), outcome.strategy)
        assert outcome.metrics == result.metrics()
        assert regret_kwh == pytest.approx(regret(result).energy_kwh, abs=1e-6)
        assert f"{result.metrics()['delivered_kwh']:,.1f}" in results(model.comparison)


def test_finding_and_best_are_words(model: ComparisonModel) -> None:
    assert finding(model.comparison) == "first come delivers most, 968.1 kWh; uniform lacks 12.2 kWh more."
    assert "<small>best</small> 968.1" in results(model.comparison)
    assert '<th scope="row">' in results(model.comparison)
    assert '<th scope="col"' in results(model.comparison)


def test_single_strategy_has_no_best(model: ComparisonModel) -> None:
    model.strategies = ["max_min"]
    assert model.run()
    assert "best</small>" not in results(model.comparison)
    assert finding(model.comparison).startswith("max min delivers 967.3 kWh")


def test_run_without_a_strategy_is_refused(model: ComparisonModel) -> None:
    before, version = model.comparison, model.version
    model.strategies = []
    assert not model.run()
    assert model.refused
    assert "at least one strategy" in model.message
    assert (model.comparison, model.version) == (before, version)


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("station_name", "nowhere"),
        ("log_name", "../../etc/passwd"),
        ("strategies", ["max_min", "<script>"]),
        ("strategies", [1]),
    ],
)
def test_forged_values_are_refused(model: ComparisonModel, trait: str, value: object) -> None:
    before = getattr(model, trait)
    with pytest.raises(TraitError):
        setattr(model, trait, value)
    assert getattr(model, trait) == before
    model.progress = float("nan")
    assert model.progress == 0.0


def test_every_station_runs_and_leaves_planners_out_of_long_logs(model: ComparisonModel) -> None:
    for name in model.configs:
        model.station_name = name
        model.log_name = model.logs[0]
        assert model.run(), model.message
    model.log_name = next(iter(MADE_UP))
    model.strategies = ["max_min", "mpc"]
    assert model.run()
    assert [outcome.strategy for outcome in model.comparison.outcomes] == ["max_min"]
    assert "Left out: mpc" in model.message
    model.strategies = ["mpc"]
    assert not model.run()
    assert model.refused


BAD = {
    "empty": b"",
    "blank": b"  \n ",
    "binary": bytes(range(256)) * 20,
    "zip": b"\x1f\x8b" + b"\0" * 50,
    "html": b"<html><body><script>alert(1)</script></body></html>",
    "nonsense": b"arrival_s,energy_kwh,max_power_kw\n" + b"<b>soon</b>,=1+1,much\n" * 100,
    "header only": b"arrival_s,energy_kwh,max_power_kw\n",
    "too large": b"x" * (MAX_BYTES + 1),
    "negative": b"arrival_s,energy_kwh,max_power_kw\n-5,1,1\n",
    "endless": b"arrival_s,departure_s,energy_kwh,max_power_kw\n0,60,1,1\n1e12,2e12,1,1\n",
    "json": b'{"_items": 5}',
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_log_is_refused_and_changes_nothing(model: ComparisonModel, kind: str) -> None:
    logs, chosen, version = list(model.logs), model.log_name, model.version
    assert not model.add_log("<img src=x onerror=alert(1)>.csv", BAD[kind])
    assert model.refused
    assert "was not taken" in model.message
    assert len(model.message.splitlines()) <= 8
    assert ("and 95 more" in model.message) == (kind == "nonsense")
    assert (model.logs, model.log_name, model.version) == (logs, chosen, version)
    shown = progress_bar(0.0, model.message, is_alert=True)
    assert "<img" not in shown
    assert "<script" not in shown


@pytest.mark.parametrize("error", [TypeError("secret detail"), ValueError("secret detail")])
def test_program_error_is_logged_and_not_called_a_refusal(
    model: ComparisonModel,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise error

    before, version = model.comparison, model.version
    monkeypatch.setattr("electra_core.dashboard.comparison_page.model.run", fail)
    model.strategies = ["priority"]
    assert not model.run()
    assert not model.refused
    assert model.failed
    assert "something went wrong inside" in model.message
    assert "secret" not in model.message
    assert "secret detail" in caplog.text
    assert (model.comparison, model.version, model.running) == (before, version, False)
    monkeypatch.undo()
    assert model.run()
    assert not model.failed


def test_good_log_is_chosen_and_its_name_stays_text(model: ComparisonModel) -> None:
    content = b"session_id,arrival_s,departure_s,energy_kwh,max_power_kw\n=cmd(),864060,868000,20,100\n"
    assert model.add_log("../<b>=x</b>.csv", content), model.message
    assert model.log_name.startswith("Yours: ")
    assert model.run()
    assert model.comparison.outcomes[0].metrics["delivered_kwh"] == pytest.approx(20.0)
    assert "<b>=x" not in results(model.comparison)


def test_log_of_another_station_names_the_bad_session(model: ComparisonModel) -> None:
    content = b"session_id,arrival_s,energy_kwh,max_power_kw,charger_id\na,0,1,1,CP001\nb,0,1,1,ELSEWHERE\n"
    assert not model.add_log("mine.csv", content)
    assert model.message.startswith("Your log was not taken: mine.csv: 1 fault")
    assert "'b'" in model.message
    assert "ELSEWHERE" in model.message


def test_lowest_peak_is_not_marked_best(model: ComparisonModel) -> None:
    row = next(row for row in results(model.comparison).split("<tr>") if "Highest quarter-hour" in row)
    assert "best" not in row


def test_results_are_saved_with_all_digits_and_without_formulas(model: ComparisonModel) -> None:
    assert model.add_log("=cmd().csv", b"arrival_s,energy_kwh,max_power_kw\n0,20,100\n")
    model.comparison = replace(model.comparison, log_title="=cmd()")
    saved = results_csv(model.comparison)
    table = pd.read_csv(io.BytesIO(saved)).set_index("strategy")
    assert table["log"].unique().tolist() == ["'=cmd()"]
    for outcome in model.comparison.outcomes:
        for key in ("delivered_kwh", "jain", "peak_15min_kw"):
            assert table.loc[outcome.strategy, key] == outcome.metrics[key]
    assert list(table.columns[2:]) == [line.key for line in LINES]


def test_page_loads_a_log_and_saves_results(model: ComparisonModel) -> None:
    load, save = (part for part in parts(comparison_page(model)) if isinstance(part, Files))
    sent: list[tuple[object, object]] = []
    for field in (load, save):
        field.send = lambda message, buffers=None: sent.append((message, buffers))
    load.receive({"kind": "load", "what": "log", "name": "mine.csv"}, [memoryview(b"nonsense")])
    assert sent.pop()[0]["said"].startswith("Not loaded")
    assert model.refused
    content = memoryview(b"arrival_s,energy_kwh,max_power_kw\n0,20,100\n")
    load.receive({"kind": "load", "what": "log", "name": "mine.csv"}, [content])
    assert sent.pop()[0]["said"].startswith("Loaded")
    assert model.log_name == "Yours: mine.csv"
    save.receive({"kind": "save", "what": "results"}, [])
    message, buffers = sent.pop()
    assert message["name"] == "comparison.csv"
    assert buffers == [results_csv(model.comparison)]


def test_figure_keeps_its_traces_and_is_small(model: ComparisonModel) -> None:
    model.strategies = ["max_min", "uniform", "first_come", "priority"]
    assert model.run()
    rows = rows_of(model.comparison)
    traces, _ = comparison_changes(rows)
    arrays = [values for values in traces["y"] if isinstance(values, np.ndarray)]
    assert sum(values.nbytes for values in arrays) < 60_000
    assert all(len(values) <= POINTS and values.dtype == np.float32 for values in arrays)
    figures = [comparison_figure(some) for some in ([], rows)]
    uids = [[trace.uid for trace in figure.data] for figure in figures]
    assert uids[0] == uids[1]
    assert len(uids[0]) == 3 * ROWS


def test_page_follows_its_model(model: ComparisonModel) -> None:
    page = comparison_page(model)
    assert "el-compare" in page.get_state()["_dom_classes"]
    model.station_name = "Motorway hub"
    assert model.log_name == model.logs[0]
    assert model.run()
