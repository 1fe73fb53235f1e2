"""A sweep gives the same table in one process, in several and on a cluster, and runs nothing twice."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from stations import ROOT

from electra_core import ChargingCurve, ConfigError, StrategyError, Vehicle, load_config
from electra_core.allocation.strategies import Planner
from electra_core.sessions import generate
from electra_core.sessions.scenario import ScenarioError
from electra_core.simulation import SimulationWarning, simulate
from electra_core.simulation.sweep import StudyError, study, sweep, workers


def station(grid_kw: float = 60.0, name: str = "ST", **more: Any) -> dict[str, Any]:
    chargers = [
        {"id": "CP1", "maxPower": 50, "connectors": 2},
        {"id": "CP2", "maxPower": 50, "connectors": 1},
    ]
    return {"stationId": name, "gridCapacity": grid_kw, "chargers": chargers, **more}


def drivers(**more: Any) -> pd.DataFrame:
    columns = {
        "session_id": ["a", "b", "c", "d"],
        "arrival_s": [0.0, 300.0, 900.0, 4000.0],
        "departure_s": [3600.0, 3600.0, 2700.0, 7200.0],
        "energy_kwh": [30.0, 20.0, 25.0, 10.0],
        "max_power_kw": [50.0, 22.0, 50.0, 11.0],
    }
    return pd.DataFrame({**columns, **more})


def play_here(*arguments: Any, **options: Any) -> pd.DataFrame:
    return sweep(*arguments, **{"workers": 1, "progress": False, **options})


def hungriest(demand: Any, now_s: float) -> tuple[float, float]:
    return -(demand.remaining_kwh or 0.0), 1.0


def out_of_order(demand: Any, now_s: float) -> tuple[float, float]:
    if now_s >= 900.0:
        raise ValueError("out of order")
    return 0.0, 1.0


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the strategies that run in this process, as they begin."""
    names: list[str] = []
    run = study.run

    def counted(scenario: Any, strategy: Any, **options: Any) -> Any:
        names.append(strategy.__name__)
        return run(scenario, strategy, **options)

    monkeypatch.setattr(study, "run", counted)
    return names


# Rows and names


def test_row_is_a_run_with_all_its_metrics() -> None:
    stations = {"narrow": station(40.0), "wide": station(90.0)}
    logs = {"small": drivers(energy_kwh=5.0), "large": drivers()}
    table = play_here(stations, ["max_min", hungriest], logs, step_s=300.0, price_per_kwh=0.25)
    assert table.columns[:3].tolist() == ["config", "log", "strategy"]
    assert table.columns[-1] == "error"
    assert table.error.isna().all()
    assert table.index.tolist() == list(range(8))
    expected = [
        (config, sessions, strategy)
        for config in stations
        for sessions in logs
        for strategy in ("max_min", "hungriest")
    ]
    assert list(zip(table.config, table.log, table.strategy, strict=True)) == expected
    for row in table.to_dict("records"):
        strategy = hungriest if row["strategy"] == "hungriest" else row["strategy"]
        result = simulate(
            stations[row["config"]], logs[row["log"]], strategy, step_s=300.0, price_per_kwh=0.25
        )
        metrics = result.metrics()
        assert metrics == {name: row[name] for name in metrics}
        assert len(row) == len(metrics) + 4


def test_sweep_of_a_single_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(load_config(station(name="MINE")).model_dump_json(by_alias=True), "utf-8")
    for config in (path, str(path), station(name="MINE"), load_config(path)):
        table = play_here(config, "first_come", drivers())
        assert table[["config", "log", "strategy"]].values.tolist() == [["MINE", 0, "first_come"]]


def test_items_of_lists_are_named_by_id_or_place() -> None:
    table = play_here([station(name="A"), station(name="B")], ["uniform"], [drivers(), drivers()])
    assert table.config.tolist() == ["A", "A", "B", "B"]
    assert table.log.tolist() == [0, 1, 0, 1]
    table = play_here([station(20.0), station(60.0)], Planner(lambda snapshot: {}, "free"), drivers())
    assert table.config.tolist() == [0, 1]
    assert table.strategy.tolist() == ["free", "free"]
    table = play_here(
        station(), {"mine": lambda demand, now_s: (0.0, 1.0), "best": "best_instant"}, drivers()
    )
    assert table.strategy.tolist() == ["mine", "best"]
    assert table.error.isna().all()


def test_seeds_make_sessions() -> None:
    day = functools.partial(generate, 1, dwell_s=(1740, 0.56))
    table = play_here(station(), seeds=range(3), generate=day)
    assert table.seed.tolist() == [0, 1, 2]
    assert table.served.nunique() > 1
    for seed, delivered_kwh in zip(table.seed, table.delivered_kwh, strict=True):
        assert delivered_kwh == simulate(station(), day(seed=seed)).metrics()["delivered_kwh"]
    week = play_here(station(), seeds=[7])
    assert week.requested_kwh[0] == simulate(station(), generate(7, seed=7)).metrics()["requested_kwh"]


# What goes wrong


def odd_drivers(seed: int) -> pd.DataFrame:
    if seed == 1:
        raise LookupError("nobody came")
    return drivers(charger_id="CP2" if seed else "CP1")


def test_failed_run_is_a_row_with_its_error() -> None:
    stations = {
        "good": station(),
        "small": {**station(), "chargers": [{"id": "CP1", "maxPower": 50, "connectors": 1}]},
        "bad": station(-1.0),
    }
    strategies = {"max_min": "max_min", "broken": out_of_order}
    table = play_here(stations, strategies, seeds=[0, 1, 2], generate=odd_drivers)
    table = table.set_index(["config", "seed", "strategy"])
    fine = table.error.isna()
    assert table.index[fine].tolist() == [
        ("good", 0, "max_min"),
        ("good", 2, "max_min"),
        ("small", 0, "max_min"),
    ]
    assert table.drop(columns="error").notna().all(axis=1).equals(fine)
    assert table.error["good", 0, "broken"].startswith("strategy out_of_order failed")
    assert table.error["good", 1, "max_min"] == "LookupError: nobody came"
    assert "there is no charger 'CP2'" in table.error["small", 2, "max_min"]
    assert "gridCapacity" in table.error["bad", 0, "max_min"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"configs": []}, "there are no configs"),
        ({"configs": 7}, "configs cannot be 7"),
        ({"strategies": []}, "there are no strategies"),
        ({"strategies": ["max_min", "max_min"]}, "strategy 'max_min' is there twice"),
        ({"strategies": [lambda d, s: (0, 1), lambda d, s: (1, 1)]}, "strategy '<lambda>' is there twice"),
        ({"sessions": {}}, "there are no sessions"),
        ({"sessions": [1, 2]}, "sessions 0 must be a pandas DataFrame, got 1"),
        ({"sessions": None}, "give sessions, or seeds"),
        ({"seeds": [1]}, "give sessions, or seeds"),
        ({"sessions": None, "seeds": []}, "there are no seeds"),
        ({"sessions": None, "seeds": 5}, "seeds cannot be 5"),
        ({"sessions": None, "seeds": [1, 2, 1]}, "seed 1 is there twice"),
        ({"sessions": None, "seeds": [1.5]}, "a seed must be a whole number, got 1.5"),
        ({"sessions": None, "seeds": [True]}, "a seed must be a whole number, got True"),
        ({"sessions": None, "seeds": [1], "generate": 7}, "generate must be a function"),
        ({"generate": odd_drivers}, "generate makes sessions of seeds"),
        ({"workers": 0}, "workers must be a whole number of 1 or more, got 0"),
        ({"workers": 1.5}, "workers must be"),
        ({"workers": None, "client": "localhost"}, "client must be a distributed.Client"),
    ],
)
def test_mistake_in_the_whole_sweep_is_refused(played: list[str], more: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        play_here(**{"configs": station(), "sessions": drivers(), **more})
    assert played == []


def test_mistake_in_every_run_is_refused(played: list[str]) -> None:
    with pytest.raises(StrategyError, match="did you mean 'max_min'"):
        play_here(station(), ["uniform", "maxmin"], drivers())
    with pytest.raises(ConfigError, match="gridCapacity"):
        play_here([station(-1.0), station(-2.0)], "max_min", drivers())
    with pytest.raises(ScenarioError, match="step_s"):
        play_here(station(), "max_min", drivers(), step_s=0.0)
    with pytest.raises(ScenarioError, match="pv_kw"):
        play_here(station(), "max_min", drivers(), pv_kw=[1.0, -1.0])
    with pytest.raises(TypeError, match="steps_s"):
        play_here(station(), "max_min", drivers(), steps_s=60.0)
    assert played == []


# Who plays


def everything(**who: Any) -> pd.DataFrame:
    """Return good runs and bad ones, with functions that only this process can import, or none."""
    weight = 3.0

    def favourite(demand: Any, now_s: float) -> tuple[float, float]:
        return 0.0, weight if demand.max_kw > 20.0 else 1.0

    return sweep(
        {"one": station(30.0), "two": station(70.0), "bad": station(-1.0)},
        {"fair": "max_min", "favourite": favourite, "lambda": lambda demand, now_s: (-demand.max_kw, 1.0)},
        {"good": drivers(), "late": drivers(arrival_s=1.0), "bad": drivers(energy_kwh=-1.0)},
        progress=False,
        **who,
    )


@pytest.fixture(scope="module")
def alone() -> pd.DataFrame:
    return everything(workers=1)


def test_processes_give_the_same_table_as_one(alone: pd.DataFrame) -> None:
    assert alone.error.isna().sum() == 12
    pd.testing.assert_frame_equal(everything(workers=2), alone)


def test_cluster_gives_the_same_table_as_one_process(alone: pd.DataFrame, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 2, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, local_directory=str(tmp_path)) as cluster,
        distributed.Client(cluster) as client,
    ):
        pd.testing.assert_frame_equal(everything(client=client), alone)


@pytest.mark.filterwarnings("ignore:strategy locked cannot be compiled")
def test_strategy_that_cannot_be_pickled_runs_in_this_process() -> None:
    lock = threading.Lock()

    def locked(demand: Any, now_s: float) -> tuple[float, float]:
        with lock:
            return 0.0, 1.0

    with pytest.warns(SimulationWarning, match="cannot be handed to another process"):
        table = sweep([station(20.0), station(60.0)], locked, drivers(), workers=2, progress=False)
    assert table.error.isna().all()


def fatal(demand: Any, now_s: float) -> tuple[float, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0, 1.0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed in another way")
def test_run_that_kills_its_worker_is_a_row_with_its_error() -> None:
    strategies = ["max_min", fatal, "uniform"]
    stations = [station(10.0), station(20.0)]
    table = sweep(stations, strategies, drivers(), workers=2, progress=False)
    died = table.strategy == "fatal"
    assert table.error[died].str.contains("the worker that played it died: .*").all()
    assert died.sum() == 2
    expected = play_here(stations, ["max_min", "uniform"], drivers())
    pd.testing.assert_frame_equal(table[~died].reset_index(drop=True), expected)


def process_of(folder: Path) -> Any:
    """Return a rank function that notes the process that calls it."""

    def noted(demand: Any, now_s: float) -> tuple[float, float]:
        (folder / str(os.getpid())).touch()
        return 0.0, 1.0

    return noted


@pytest.mark.filterwarnings("ignore:strategy noted cannot be compiled")
def test_only_long_runs_are_handed_to_other_processes(
    tmp_path: Path, played: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(strategies: Any, **more: Any) -> list[str]:
        """Return the strategies that were run here of those of four stations."""
        played.clear()
        found = study.Study(dict(enumerate(configs)), {0: drivers()}, strategies, None, True, {})
        runs = list(itertools.product(range(4), [0], strategies))
        rows = dict(workers.played(found, runs, None, None, **more))
        assert {names: "error" in row for names, row in rows.items()} == dict.fromkeys(runs, False)
        return played

    monkeypatch.setattr(workers.joblib, "cpu_count", lambda: 2)
    configs = [load_config(station(10.0 * number)) for number in range(1, 5)]
    noted = process_of(tmp_path)
    assert of({"noted": noted}) == ["noted"] * 4
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]
    assert of({"noted": noted, "planner": Planner(lambda snapshot: {}, "planner")}) == ["noted"] * 4
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]
    assert of({"noted": noted}, start_s=0.0) == ["noted"] * 2
    assert len(list(tmp_path.iterdir())) > 1


# What is kept


def grid(folder: Path, **more: Any) -> pd.DataFrame:
    """Twelve runs."""
    stations = {"one": station(30.0), "two": station(70.0)}
    strategies = ["max_min", "first_come", hungriest]
    logs = {"a": drivers(), "b": drivers(energy_kwh=15.0)}
    return play_here(
        **{
            "configs": stations,
            "strategies": strategies,
            "sessions": logs,
            "folder": folder,
            "price_per_kwh": 0.3,
            **more,
        }
    )


def lines_in(folder: Path) -> list[bytes]:
    """Return the finished runs of a folder."""
    return [line for line in (folder / "runs.jsonl").read_bytes().splitlines() if line]


def test_interrupted_sweep_resumes(
    tmp_path: Path, played: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = grid(tmp_path / "whole")
    counted, played[:] = study.run, []

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if len(played) == 5:
            raise KeyboardInterrupt
        return counted(*arguments, **options)

    monkeypatch.setattr(study, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grid(tmp_path / "deep" / "part")
    assert len(lines_in(tmp_path / "deep" / "part")) == 5
    monkeypatch.setattr(study, "run", counted)
    played.clear()
    pd.testing.assert_frame_equal(grid(tmp_path / "deep" / "part"), whole)
    assert len(played) == 7
    pd.testing.assert_frame_equal(grid(tmp_path / "deep" / "part"), whole)
    assert len(played) == 7
    assert len(lines_in(tmp_path / "deep" / "part")) == 12


def test_only_new_runs_are_run(tmp_path: Path, played: list[str]) -> None:
    def new(**more: Any) -> int:
        played.clear()
        grid(tmp_path, **more)
        return len(played)

    def hungriest(demand: Any, now_s: float) -> tuple[float, float]:
        return -(demand.remaining_kwh or 0.0), 2.0

    assert new() == 12
    assert new() == 0
    assert new(strategies=["max_min", "uniform"]) == 4
    assert new(strategies={"mine": hungriest}) == 4, "of the same name, but another function"
    assert new(sessions={"c": drivers(), "d": drivers(weight=[1.0, 1.0, 1.0, 2.0])}) == 6
    slower = Vehicle(50.0, 60.0, ChargingCurve([(0.0, 50.0), (1.0, 5.0)]))
    faster = Vehicle(50.0, 60.0, ChargingCurve([(0.0, 50.0), (1.0, 6.0)]))
    for car in (slower, faster):
        assert new(sessions=drivers(vehicle=[car] * 4, arrival_soc=0.2), strategies="max_min") == 2
    assert new(configs={"x": station(30.0), "y": station(30.0, staticLoad=1)}) == 6
    assert new(price_per_kwh=0.31) == 12
    assert new(step_s=30.0) == 12
    assert new(site_limit_kw=pd.Series([20.0, 30.0], index=[0, 3600])) == 12
    assert new(site_limit_kw=pd.Series([20.0, 30.0], index=[0, 7200])) == 12
    assert new(site_limit_kw=pd.Series([20.0, 30.0], index=[0, 3600])) == 0
    day = functools.partial(generate, 1)
    assert new(sessions=None, seeds=[1, 2], generate=day, configs=station()) == 6
    assert new(sessions=None, seeds=[2, 3], generate=day, configs=station()) == 3


def test_run_of_a_damaged_line_is_run_again(tmp_path: Path, played: list[str]) -> None:
    whole = grid(tmp_path)
    first, second, third, *others = lines_in(tmp_path)
    flipped = bytearray(first)
    flipped[first.index(b"kwh") + 7] ^= 1  # a digit of a number
    damaged = [bytes(flipped), second[:-9], b"", b"another's \xff", b"[1]", b'{"checksum": 0}', *others]
    (tmp_path / "runs.jsonl").write_bytes(b"\n".join([*damaged, third[:40]]))
    played.clear()
    pd.testing.assert_frame_equal(grid(tmp_path), whole)
    assert len(played) == 3
    assert len(grid(tmp_path)) == 12
    assert len(played) == 3


def test_failed_run_is_run_again(tmp_path: Path, played: list[str]) -> None:
    for _ in range(2):
        table = play_here(station(), ["max_min", out_of_order], drivers(), folder=tmp_path)
        assert table.error.notna().tolist() == [False, True]
    assert played == ["max_min", "out_of_order", "out_of_order"]


def test_strategy_without_a_digest_needs_no_folder(tmp_path: Path) -> None:
    lock = threading.Lock()
    with pytest.raises(StudyError, match="so leave out folder"):
        play_here(station(), {"locked": lambda demand, now_s: (lock, 1.0)}, drivers(), folder=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="folder file cannot be used"):
        play_here(station(), "max_min", drivers(), folder=tmp_path / "file")


SCRIPT = """
import sys
import pandas as pd
from electra_core.simulation.sweep import study, sweep

VIP = {"a", "b", "c"}
SHARE = 2.0

def weigh():
    return max(SHARE if name in VIP else 1.0 for name in ("a", "x", "y"))

class Base:
    factor = 2.0

class Ranking(Base):
    def __init__(self, order): self.order = order
    def __call__(self, demand, now_s): return self.order * demand.arrived_s, self.factor
    @property
    def name(self): return "ranking"

def rank(demand, now_s):
    return (0.0 if demand.priority in {1.0, 2.0} else 1.0), weigh()

def played():
    runs.clear()
    strategies = {"rank": rank, "object": Ranking(1.0), "name": "max_min"}
    table = sweep(station, strategies, drivers, workers=1, folder=sys.argv[1])
    assert table.error.isna().all(), table.error.tolist()
    return len(runs)

runs, run = [], study.run
study.run = lambda *given, **more: runs.append(1) or run(*given, **more)
station = {"stationId": "S", "gridCapacity": 50, "chargers": [{"id": "C", "maxPower": 50, "connectors": 2}]}
columns = {"departure_s": 900.0, "energy_kwh": 9.0, "max_power_kw": 50.0}
drivers = pd.DataFrame({"arrival_s": [0.0, 60.0], **columns})
first = played()
SHARE = 3.0
second = played()
Base.factor = 3.0
print(first, second, played(), "dask" in sys.modules)
"""


def test_folder_is_read_by_another_process(tmp_path: Path) -> None:
    def played(hash_seed: str) -> str:
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return run.stdout.strip() or run.stderr

    # A number that one function asks another for; then a number of a class that another is made from.
    assert played("1") == "3 1 1 False"
    assert played("2") == "0 0 0 False"


KEY = """
from pathlib import Path
import sys
from electra_core.simulation.sweep.cache import Cache
from electra_core.simulation.sweep.study import Study

names = ("station", "log", "max_min")
study = Study({"station": "no station"}, {"log": None}, {"max_min": "max_min"}, None, False, {})
print(Cache(Path(sys.argv[1]), study, [names]).keys[names])
"""


@pytest.mark.parametrize("changed", ["allocation/snapshot.py", "station/engine.py", "data/vehicles.json"])
def test_changed_file_of_any_package_is_another_key(tmp_path: Path, changed: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "electra_core", tmp_path / "electra_core", ignore=ignored)

    def key() -> str:
        command = [sys.executable, "-W", "ignore", "-c", KEY, str(tmp_path / "runs")]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        run = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return run.stdout

    before = key()
    assert key() == before
    with (tmp_path / "electra_core" / changed).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert key() != before
