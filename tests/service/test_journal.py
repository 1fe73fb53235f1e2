"""The journal on disk: what was acknowledged is found again, and what cannot be written changes nothing."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from stations import BASE, ROOT

from electra_core import Station, StationError, Vehicle, load_config
from electra_core.service import Journal, JournalError, LiveStation, create_app
from electra_core.service import live_station as living
from electra_core.service.journal import Answer, _Careful, signed
from electra_core.station.config import StationConfig

CONFIG = load_config({**BASE, "battery": {"initialCapacity": 100, "power": 100}})
CAR = Vehicle(80.0, battery_kwh=60.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.journal"


def opened(path: Path, config: StationConfig = CONFIG, **options: Any) -> LiveStation:
    return LiveStation(config, Journal(path, config), **{"simulated": True, **options})


def left(live: LiveStation) -> None:
    """As after ``kill -9``: nothing is said, the system closes the file."""
    live._store.close()


def seen(live: LiveStation) -> tuple[str, str, int]:
    decision = live.view.decision
    return live.view.status.model_dump_json(), repr((decision.state, decision.allocation)), live.view.number


def lived(live: LiveStation, hours: int = 3) -> LiveStation:
    """Some of everything happens."""
    for hour in range(hours):
        place = f"CP{1 + hour % 2}", 1 + hour // 2 % 2
        with_soc = {"arrival_soc": 0.1 + 0.01 * (hour % 50), "departs_s": 1e6}
        live.do(lambda station, at=place, soc=with_soc: (201, station.plug_in(*at, CAR, **soc)))
        live.advance(600.5)
        live.do(lambda station, at=place: (200, station.report_draw(*at, 17.3)))
        live.do(lambda station, kw=100.0 + hour: (200, station.set_site_limit(kw)))
        live.advance(3000.0)
        live.do(lambda station, at=place: (200, repr(station.unplug(*at))))
    live.do(lambda station: (201, station.plug_in("CP1", 1, CAR, arrival_soc=0.3)))
    return live


def changed(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as base:
        base.execute(statement, values)
    base.close()


# The way back


def test_a_killed_station_stands_where_it_stood(path: Path) -> None:
    live = lived(opened(path))
    before = seen(live)
    left(live)
    assert seen(opened(path)) == before


def test_a_kept_moment_leads_where_all_events_lead(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "MOMENT_EVERY", 7)
    live = lived(opened(path))
    left(live)
    again = opened(path)
    number, _ = again._store.decision() or (0, None)
    assert number > 0
    events = [event for _, event in again._store.events()]
    left(again)
    changed(path, "DELETE FROM moment")
    from_zero = opened(path)
    assert seen(from_zero) == seen(again) == seen(live)
    assert repr(Station.replay(CONFIG, events).state) == repr(live.view.decision.state)


def test_after_a_start_no_event_is_replayed_a_second_time(path: Path) -> None:
    lived(opened(path)).close()
    live = opened(path)
    number, _ = live._store.decision() or (0, None)
    assert number == live.view.number


@pytest.mark.parametrize("how", ["bits", "digest", "number", "cut", "another class"])
def test_a_damaged_moment_is_not_believed(path: Path, how: str) -> None:
    live = lived(opened(path))
    before = seen(live)
    live.close()
    base = sqlite3.connect(path)
    number, digest, content = base.execute("SELECT number, digest, content FROM moment").fetchone()
    base.close()
    if how == "bits":
        content = content[:50] + bytes([content[50] ^ 1]) + content[51:]
    elif how == "digest":
        digest = "0" * 64
    elif how == "number":
        number += 1
    elif how == "cut":
        content = content[: len(content) // 2]
    else:
        content = pickle.dumps(CAR)
        digest = hashlib.sha256(content).hexdigest()
    changed(path, "UPDATE moment SET number = ?, digest = ?, content = ?", number, digest, content)
    assert seen(opened(path)) == before


@pytest.mark.parametrize("name", ["os.system", "load_config", "Station", "Path"])
def test_a_moment_is_no_program(name: str) -> None:
    """A name with a dot would reach whatever a room imports; a function would be called."""
    module = b"electra_core.station.station" if name != "load_config" else b"electra_core.station.config"
    content = b"\x80\x04\x8c" + bytes([len(module)]) + module
    content += b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
    with pytest.raises((pickle.UnpicklingError, AttributeError)):
        _Careful(io.BytesIO(content)).load()


# What is refused


def test_another_process_is_refused_with_a_sentence(path: Path, tmp_path: Path) -> None:
    live = lived(opened(path))
    config = ROOT / "configs/electra_paris_15.json"
    words = [sys.executable, "-m", "electra_core.cli", "serve", str(config), "--journal", str(path)]
    run = subprocess.run([*words, "--port", "0"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert (
        run.stderr == "electra: a.journal is held by another process: stop that one, or use another journal\n"
    )
    assert live.advance(1.0)[0] == 200


def test_another_configuration_is_refused(path: Path) -> None:
    opened(path).close()
    with pytest.raises(JournalError, match="another configuration"):
        opened(path, load_config({**BASE, "gridCapacity": 100}))


@pytest.mark.parametrize("content", [b"no journal" * 1000, b"SQLite format 3\0" + b"\1" * 8000])
def test_junk_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalError, match="damaged, or no journal"):
        opened(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    changed(path, "CREATE TABLE invoices (number INTEGER)")
    content = path.read_bytes()
    with pytest.raises(JournalError, match="not a journal"):
        opened(path)
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_damaged_page_is_refused_with_a_sentence(path: Path) -> None:
    lived(opened(path), hours=30).close()
    whole = path.read_bytes()
    refusals: list[str] = []
    for at in range(4096, len(whole), 4096):
        path.write_bytes(whole[:at] + b"\xa5" * 4096 + whole[at + 4096 :])
        try:
            left(opened(path))
        except JournalError as error:
            refusals.append(str(error))
        Path(f"{path}-wal").unlink(missing_ok=True)
    assert refusals
    assert not [words for words in refusals if str(path.parent) in words]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM event WHERE number = 3", "event 3 is missing"),
        ("UPDATE event SET arguments = '{' WHERE number = 3", "event 3 is not as it was written"),
        ("UPDATE event SET arguments = '{\"kw\": 1}' WHERE number = 3", "event 3 is not as it was written"),
        ("UPDATE event SET arguments = x'ff' WHERE number = 3", "event 3 is not as it was written"),
        ("UPDATE event SET call = 'unplug' WHERE number = 3", "event 3 is not as it was written"),
        ("UPDATE event SET at_s = at_s + 1e-9 WHERE number = 3", "event 3 is not as it was written"),
        ("UPDATE event SET digest = '' WHERE number = 3", "event 3 is not as it was written"),
        ("UPDATE about SET value = '99' WHERE name = 'format'", "another version"),
    ],
)
def test_a_damaged_event_is_named(path: Path, statement: str, words: str) -> None:
    left(lived(opened(path)))
    changed(path, "DELETE FROM moment")
    changed(path, statement)
    with pytest.raises(JournalError, match=words):
        opened(path)


@pytest.mark.parametrize(("at_s", "call"), [(0.0, "explode"), (7.0, "set_static_load"), (0.0, "unplug")])
def test_an_event_that_cannot_have_happened_is_named(path: Path, at_s: float, call: str) -> None:
    """As another version of this program might have written it."""
    left(opened(path))
    changed(path, "INSERT INTO event VALUES (?, ?, ?, ?, ?)", *signed(1, at_s, call, '{"kw": 1.0}'))
    with pytest.raises(JournalError, match="event 1 cannot have happened"):
        opened(path)


def test_events_that_are_missing_at_the_end_are_missed(path: Path) -> None:
    live = lived(opened(path))
    last = live.view.number
    live.close()
    changed(path, "DELETE FROM event WHERE number > ?", last - 2)
    with pytest.raises(JournalError, match=f"events {last - 1} to {last} are missing"):
        opened(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="does its folder exist") as refused:
        Journal(tmp_path / "nowhere/a.journal", CONFIG)
    assert str(tmp_path) not in str(refused.value)


def test_a_folder_that_is_only_for_reading(tmp_path: Path) -> None:
    # Root may write everywhere but here.
    folder = Path("/proc") if os.geteuid() == 0 else tmp_path
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="may this program write there"):
        Journal(folder / "a.journal", CONFIG)
    tmp_path.chmod(0o700)


# What cannot be written


def full(live: LiveStation) -> None:
    """No page more: as on a full disk."""
    pages = live._store._base.execute("PRAGMA page_count").fetchone()[0]
    live._store._base.execute(f"PRAGMA max_page_count = {pages}")


def roomy(live: LiveStation) -> None:
    live._store._base.execute("PRAGMA max_page_count = 1000000")


def test_on_a_full_disk_the_station_is_as_it_was(path: Path) -> None:
    live = lived(opened(path))
    with TestClient(create_app(live)) as client:
        full(live)
        answers: list[int] = []
        while 503 not in answers:
            before = seen(live)
            answer = client.put("/v1/static-load", json={"load_kw": float(len(answers))})
            answers.append(answer.status_code)
            assert len(answers) < 1000
        assert "disk is full" in answer.json()["detail"]
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert seen(live) == before
        assert client.get("/v1/status").json()["static_load_kw"] == len(answers) - 2
        roomy(live)
        assert client.put("/v1/static-load", json={"load_kw": 3.5}).status_code == 200
        last = seen(live)
    assert seen(opened(path)) == last


def test_a_commit_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = lived(opened(path))
    before = seen(live)

    class Broken:
        """Everything works but the last word."""

        def __init__(self, base: sqlite3.Connection) -> None:
            self._base = base

        def __getattr__(self, name: str) -> Any:
            return getattr(self._base, name)

        def execute(self, asked: str, *values: Any) -> Any:
            if asked == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return self._base.execute(asked, *values)

    with monkeypatch.context() as patched:
        patched.setattr(live._store, "_base", Broken(live._store._base))
        with pytest.raises(JournalError, match="full or broken"):
            live.do(lambda station: (200, station.set_static_load(9.0)), key="k")
    assert seen(live) == before
    assert live.do(lambda station: (200, station.set_static_load(9.0)), key="k") == (200, None)
    left(live)
    assert opened(path).view.number == before[2] + 1


def test_a_closed_journal_is_a_refusal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "RECENT", 1)  # older events are in the file alone
    live = lived(opened(path))
    live.close()
    for call in (lambda: live.advance(1.0), lambda: live.advance(1.0, key="k"), lambda: live.events(0, 1)):
        with pytest.raises(JournalError):
            call()
    live.close()


def test_events_come_the_same_from_memory_and_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "RECENT", 5)
    monkeypatch.setattr("electra_core.service.journal.PAGE", 4)
    live = lived(opened(path))
    numbers = list(range(1, live.view.number + 1))
    whole = live.events(0, 10_000)
    assert [event["number"] for event in whole] == numbers
    for since in (*numbers, live.view.number + 1, 2**63 - 1):
        for most in (1, 3, 10_000):
            assert live.events(since, most) == whole[since : since + most]


def test_who_reads_events_waits_for_no_writer(path: Path) -> None:
    live = opened(path)
    live.advance(60.0)
    base = live._store._base
    with live._writes, ThreadPoolExecutor(1) as reader:
        base.execute("BEGIN IMMEDIATE")
        base.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?)", signed(2, 60.0, "advance", '{"seconds": 1.0}')
        )
        found = reader.submit(live.events, 0, 9).result(timeout=10.0)
        base.execute("ROLLBACK")
    assert [event["number"] for event in found] == [1]
    assert [event["number"] for event in live.events(1, 9)] == []
    live.advance(1.0)
    assert [event["number"] for event in live.events(1, 9)] == [2]


def test_answers_survive_with_their_events(path: Path) -> None:
    live = opened(path)
    first = live.advance(60.0, key="k")
    left(live)
    again = opened(path)
    assert again.advance(60.0, key="k") == first
    assert again.view.decision.state.now_s == 60.0


def test_only_the_last_answers_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("electra_core.service.journal.MAX_KEYS", 3)
    store = Journal(path, CONFIG)
    for count in range(6):
        store.append([], f"k{count}", Answer("", 200, "1"))
    assert [count for count in range(6) if store.answer(f"k{count}")] == [3, 4, 5]


# The clock of the day


def test_the_clock_follows_the_day_by_whole_seconds(path: Path) -> None:
    at_s = [1_000_000.25]
    live = opened(path, simulated=False, now=lambda: at_s[0], ticks=lambda: 0.0)

    def shown_s(now_s: float) -> float:
        at_s[0] = now_s
        live.tick()
        return live.view.decision.state.now_s

    assert shown_s(1_000_001.20) == 0.0
    assert shown_s(1_000_001.30) == 1.0
    assert shown_s(1_000_012.00) == 11.0
    assert shown_s(1_000_005.00) == 11.0, "it never goes back"
    number = live.view.number
    assert shown_s(1_000_012.20) == 11.0
    assert live.view.number == number, "a second that is not over is no event"
    assert shown_s(1_000_012.25) == 12.0
    with pytest.raises(StationError, match="time of day"):
        live.advance(1.0)
    left(live)
    # While nobody was there the time of day went on.
    at_s[0] = 1_003_600.25
    again = opened(path, simulated=False, now=lambda: at_s[0])
    assert again.view.decision.state.now_s == 12.0
    again.tick()
    assert again.view.decision.state.now_s == 3600.0


def test_a_clock_that_is_set_back_goes_on(path: Path) -> None:
    """As on a machine that learns the time of day only after its start: no lease may stand still for that."""
    day_s, ticks_s = [1_003_600.0], [50.0]

    def passed_s(set_to_s: float, seconds: float) -> float:
        day_s[0], ticks_s[0] = set_to_s, ticks_s[0] + seconds
        before_s = live.view.decision.state.now_s
        live.tick()
        return live.view.decision.state.now_s - before_s

    live = opened(path, simulated=False, now=lambda: day_s[0], ticks=lambda: ticks_s[0])
    assert passed_s(1_003_610.0, 10.0) == 10.0
    assert passed_s(1_000_020.0, 10.0) == 10.0
    assert passed_s(1_000_030.0, 10.0) == 10.0
    assert passed_s(1_003_700.0, 10.0) == 70.0, "set forward again: it follows"
    left(live)
    # A journal that is ahead of the day, as one of a simulated clock may be, goes on from there.
    day_s[0] = 1_000_100.0
    live = opened(path, simulated=False, now=lambda: day_s[0], ticks=lambda: ticks_s[0])
    assert passed_s(1_000_105.0, 5.0) == 5.0


def test_a_refused_call_moves_no_clock(path: Path) -> None:
    at_s = [0.0]
    live = opened(path, simulated=False, now=lambda: at_s[0])
    at_s[0] = 100.0
    before = seen(live)
    with pytest.raises(StationError):
        live.do(lambda station: (200, station.unplug("CP1", 1)))
    assert seen(live) == before
    live.do(lambda station: (200, station.set_static_load(1.0)))
    assert [event["call"] for event in live.events(0, 9)] == ["advance", "set_static_load"]
