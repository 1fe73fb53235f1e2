"""The journal on disk: what was acknowledged is found again, and what cannot be written changes nothing."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from stations import BASE, ROOT

from electra_core import Station, Vehicle, load_config
from electra_core.service import Journal, JournalError, LiveStation, create_app
from electra_core.service.journal import Answer, signed
from electra_core.service.saved_decision import digest_of
from electra_core.station import StationConfig

CONFIG = load_config({**BASE, "battery": {"initialCapacity": 100, "power": 100}})
CAR = Vehicle(80.0, battery_kwh=60.0)
# Bounds of a small journal: compacted from 41 events on, with a saved decision each 7.
SMALL = {"max_events": 40, "keep_events": 10}


class Disk:
    """Opens journals; ``before`` is called with each statement, and may fail or wait as a disk does."""

    def __init__(self) -> None:
        self.before: Callable[[str], object] = lambda statement: None

    def connect(self, path: Path, **options: Any) -> sqlite3.Connection:
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
                disk.before(statement)
                return super().execute(statement, *values)

        self.connection = sqlite3.connect(path, factory=Connection, **options)
        return self.connection

    def fill(self) -> None:
        """Allow no page more, as on a full disk."""
        pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
        self.connection.execute(f"PRAGMA max_page_count = {pages}")

    def free(self) -> None:
        self.connection.execute("PRAGMA max_page_count = 1000000")

    def fail_at(self, words: str) -> None:
        """Fail at each statement with these words in it."""

        def fail(statement: str) -> None:
            if words in statement:
                raise sqlite3.OperationalError("disk I/O error")

        self.before = fail

    def work(self) -> None:
        self.before = lambda statement: None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.journal"


@pytest.fixture
def disk() -> Disk:
    return Disk()


def opened(
    path: Path, config: StationConfig = CONFIG, *, journal: dict[str, Any] | None = None, **options: Any
) -> LiveStation:
    return LiveStation(config, Journal(path, config, **(journal or {})), **{"simulated": True, **options})


def kill(live: LiveStation) -> None:
    """End it as ``kill -9`` does: nothing is saved, the system closes the file."""
    live.journal.close()


def seen(live: LiveStation) -> tuple[str, str, int]:
    decision = live.view.decision
    return live.view.status.model_dump_json(), repr((decision.state, decision.allocation)), live.view.number


def lived(live: LiveStation, hours: int = 3) -> LiveStation:
    """Let some of everything happen: six events an hour, and one."""
    for hour in range(hours):
        place = f"CP{1 + hour % 2}", 1 + hour // 2 % 2
        with_soc = {"arrival_soc": 0.1 + 0.01 * (hour % 50), "departs_s": 1e6}
        live.execute(lambda station, at=place, soc=with_soc: (201, station.plug_in(*at, CAR, **soc)))
        live.advance(600.5)
        live.execute(lambda station, at=place: (200, station.report_draw(*at, 17.3)))
        live.execute(lambda station, kw=100.0 + hour: (200, station.set_site_limit(kw)))
        live.advance(3000.0)
        live.execute(lambda station, at=place: (200, repr(station.unplug(*at))))
    live.execute(lambda station: (201, station.plug_in("CP1", 1, CAR, arrival_soc=0.3)))
    return live


def change(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as base:
        base.execute(statement, values)
    base.close()


def rows(path: Path, statement: str) -> list[Any]:
    with sqlite3.connect(path) as base:
        found = base.execute(statement).fetchall()
    base.close()
    return found


# The way back


def test_killed_station_comes_back_as_it_was(path: Path) -> None:
    live = lived(opened(path))
    before = seen(live)
    kill(live)
    assert seen(opened(path)) == before


def test_saved_decision_leads_to_the_same_state_as_all_events(path: Path) -> None:
    live = lived(opened(path, save_every=7))
    kill(live)
    again = opened(path)
    number, _ = again.journal.load_decision() or (0, None)
    assert number > 0
    events = [event for _, event in again.journal.events()]
    kill(again)
    change(path, "DELETE FROM decision")
    from_zero = opened(path)
    assert seen(from_zero) == seen(again) == seen(live)
    assert repr(Station.replay(CONFIG, events).state) == repr(live.view.decision.state)


def test_started_station_has_saved_its_decision(path: Path) -> None:
    lived(opened(path)).close()
    live = opened(path)
    number, _ = live.journal.load_decision() or (0, None)
    assert number == live.view.number


def test_failed_save_is_logged_and_tried_again_with_the_next_event(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    live = opened(path, save_every=5, journal={"connect": disk.connect})
    disk.fail_at("INTO decision")
    for count in range(6):
        live.execute(lambda station, kw=float(count): (200, station.set_static_load(kw)))
    assert caplog.messages == ["the state was not saved, and is with the next event: "
                               "a.journal cannot be written: the disk is full or broken"] * 2  # fmt: skip
    disk.work()
    live.execute(lambda station: (200, station.set_static_load(9.0)))
    number, _ = live.journal.load_decision() or (0, None)
    assert number == live.view.number == 7


def test_save_that_fails_at_the_start_is_tried_again_with_the_first_event(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.fail_at("INTO decision")
    live = opened(path, journal={"connect": disk.connect})
    assert len(caplog.messages) == 1
    disk.work()
    live.execute(lambda station: (200, station.set_static_load(9.0)))
    assert live.journal.load_decision()[0] == 1  # type: ignore[index]


@pytest.mark.parametrize("how", ["bits", "digest", "number", "cut", "another class"])
def test_damaged_saved_decision_is_left_out_with_a_warning(
    path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    live = lived(opened(path))
    before = seen(live)
    live.close()
    change(path, "DELETE FROM decision WHERE number = 0")
    [(number, digest, content)] = rows(path, "SELECT number, digest, content FROM decision")
    words = "is not as it was written"
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
        digest, words = digest_of(number, content), "cannot be read (it is a Vehicle)"
    change(path, "UPDATE decision SET number = ?, digest = ?, content = ?", number, digest, content)
    assert seen(opened(path)) == before
    assert caplog.messages == [
        f"a.journal: the state saved after event {number} {words}: "
        "it is replayed from an earlier one, or the beginning"
    ]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("name", ["os.system", "load_config", "Station", "Path"])
def test_saved_decision_runs_nothing(path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A name with a dot would reach whatever a module imports; a function would be called."""
    module = b"electra_core.station.station" if name != "load_config" else b"electra_core.station.config"
    content = b"\x80\x04\x8c" + bytes([len(module)]) + module
    content += b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
    live = lived(opened(path))
    before = seen(live)
    live.close()
    change(path, "UPDATE decision SET digest = ?, content = ?", digest_of(19, content), content)
    assert seen(opened(path)) == before
    assert f"{name} is no part of a decision" in caplog.text or "attribute" in caplog.text


def test_journal_of_the_version_before_is_read_from_its_beginning(path: Path) -> None:
    live = lived(opened(path))
    before = seen(live)
    live.close()
    change(path, "DROP TABLE decision")
    change(path, "CREATE TABLE moment (one INTEGER PRIMARY KEY, number INTEGER, digest TEXT, content BLOB)")
    change(path, "UPDATE about SET value = '2' WHERE name = 'format'")
    change(path, "UPDATE about SET name = 'begun_at' WHERE name = 'began_unix_s'")
    again = opened(path)
    assert seen(again) == before
    assert again.journal.began_unix_s == live.journal.began_unix_s


# Refusals


def test_second_process_is_refused_with_a_sentence(path: Path) -> None:
    live = lived(opened(path))
    words = ["serve", "electra_paris_15", "--journal", str(path), "--port", "0"]
    command = [sys.executable, "-m", "electra_core", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
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
def test_file_that_is_no_journal_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalError, match="damaged, or no journal"):
        opened(path)
    assert path.read_bytes() == content


def test_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    change(path, "CREATE TABLE invoices (number INTEGER)")
    content = path.read_bytes()
    with pytest.raises(JournalError, match="not a journal"):
        opened(path)
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_damaged_page_of_the_file_is_refused_with_a_sentence(path: Path) -> None:
    lived(opened(path), hours=30).close()
    whole = path.read_bytes()
    refusals: list[str] = []
    for at in range(4096, len(whole), 4096):
        path.write_bytes(whole[:at] + b"\xa5" * 4096 + whole[at + 4096 :])
        try:
            kill(opened(path))
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
def test_damaged_event_is_named(path: Path, statement: str, words: str) -> None:
    kill(lived(opened(path)))
    change(path, "DELETE FROM decision")
    change(path, statement)
    with pytest.raises(JournalError, match=words):
        opened(path)


@pytest.mark.parametrize(("at_s", "call"), [(0.0, "explode"), (7.0, "set_static_load"), (0.0, "unplug")])
def test_event_that_cannot_have_happened_is_named(path: Path, at_s: float, call: str) -> None:
    """As another version of this program might have written it."""
    kill(opened(path))
    change(path, "INSERT INTO event VALUES (?, ?, ?, ?, ?)", *signed(1, at_s, call, '{"kw": 1.0}'))
    with pytest.raises(JournalError, match="event 1 cannot have happened"):
        opened(path)


def test_fault_of_this_program_in_a_replay_is_no_fault_of_the_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = opened(path)
    live.execute(lambda station: (200, station.set_static_load(1.0)))
    kill(live)

    def broken(self: Station, kw: float) -> None:
        raise TypeError("unsupported operand")

    monkeypatch.setattr(Station, "set_static_load", broken)
    with pytest.raises(TypeError, match="unsupported operand"):
        opened(path)


def test_events_missing_at_the_end_are_noticed(path: Path) -> None:
    live = lived(opened(path))
    last = live.view.number
    live.close()
    change(path, "DELETE FROM event WHERE number > ?", last - 2)
    with pytest.raises(JournalError, match=f"events {last - 1} to {last} are missing"):
        opened(path)


def test_missing_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="does its folder exist") as refused:
        Journal(tmp_path / "nowhere/a.journal", CONFIG)
    assert str(tmp_path) not in str(refused.value)


def test_read_only_folder_is_refused_with_a_sentence(tmp_path: Path) -> None:
    # Root may write everywhere but here.
    folder = Path("/proc") if os.geteuid() == 0 else tmp_path
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="may this program write there"):
        Journal(folder / "a.journal", CONFIG)
    tmp_path.chmod(0o700)


# Failed writes


def test_full_disk_leaves_the_station_as_it_was(path: Path, disk: Disk) -> None:
    live = lived(opened(path, journal={"connect": disk.connect}))
    with TestClient(create_app(live)) as client:
        disk.fill()
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
        disk.free()
        assert client.put("/v1/static-load", json={"load_kw": 3.5}).status_code == 200
        last = seen(live)
    assert seen(opened(path)) == last


def test_failed_commit_leaves_nothing_behind(path: Path, disk: Disk) -> None:
    live = lived(opened(path, journal={"connect": disk.connect}))
    before = seen(live)
    disk.fail_at("COMMIT")
    with pytest.raises(JournalError, match="full or broken"):
        live.execute(lambda station: (200, station.set_static_load(9.0)), key="k")
    disk.work()
    assert seen(live) == before
    assert live.execute(lambda station: (200, station.set_static_load(9.0)), key="k") == (200, None)
    kill(live)
    assert opened(path).view.number == before[2] + 1


def test_closed_journal_refuses_every_call(path: Path) -> None:
    live = lived(opened(path, recent_events=1))  # older events are in the file alone
    live.close()
    for call in (lambda: live.advance(1.0), lambda: live.advance(1.0, key="k"), lambda: live.events(0, 1)):
        with pytest.raises(JournalError):
            call()
    live.close()


def test_events_are_the_same_from_memory_and_from_the_file(path: Path) -> None:
    live = lived(opened(path, recent_events=5))
    numbers = list(range(1, live.view.number + 1))
    whole = live.events(0, 10_000)
    assert [event["number"] for event in whole] == numbers
    for since in (*numbers, live.view.number + 1, 2**63 - 1):
        for most in (1, 3, 10_000):
            assert live.events(since, most) == whole[since : since + most]


def test_events_are_read_page_by_page(path: Path) -> None:
    live = opened(path, recent_events=1)
    events = [event for _, event in lived(opened(path.with_name("b.journal"))).journal.events()]
    for _ in range(150):
        live.journal.append(events)
    number = 150 * len(events)
    assert [each for each, _ in live.journal.events()] == list(range(1, number + 1))
    assert [each for each, _ in live.journal.events(5, 2500)] == list(range(6, 2506))


def test_reader_of_events_does_not_wait_for_the_writer(path: Path, disk: Disk) -> None:
    live = opened(path, journal={"connect": disk.connect})
    live.advance(60.0)
    writing, written = threading.Event(), threading.Event()

    def wait(statement: str) -> None:
        if statement == "COMMIT":
            writing.set()
            assert written.wait(10.0)

    disk.before = wait
    with ThreadPoolExecutor(2) as threads:
        writer = threads.submit(live.advance, 1.0)
        assert writing.wait(10.0)
        found = threads.submit(live.events, 0, 9).result(timeout=10.0)
        assert [event["number"] for event in found] == [1]
        assert [event["number"] for event in live.events(1, 9)] == []
        written.set()
        writer.result(timeout=10.0)
    assert [event["number"] for event in live.events(1, 9)] == [2]


def test_answers_survive_with_their_events(path: Path) -> None:
    live = opened(path)
    first = live.advance(60.0, key="k")
    kill(live)
    again = opened(path)
    assert again.advance(60.0, key="k") == first
    assert again.view.decision.state.now_s == 60.0


def test_only_the_last_answers_are_kept(path: Path) -> None:
    journal = Journal(path, CONFIG, max_keys=3)
    for count in range(6):
        journal.append([], f"k{count}", Answer("", 200, "1"))
    assert [count for count in range(6) if journal.answer(f"k{count}")] == [3, 4, 5]


# Compaction


def compacted(path: Path, hours: int = 10, **options: Any) -> LiveStation:
    """Return a station with more events than its journal keeps, after a tick."""
    live = lived(opened(path, journal={**SMALL, **options}, save_every=7, recent_events=3), hours)
    live.tick()
    return live


def test_short_journal_is_not_compacted(path: Path) -> None:
    live = compacted(path, hours=6)
    assert (live.journal.first, live.journal.last) == (1, 37)


def test_long_journal_keeps_its_last_events(path: Path) -> None:
    live = compacted(path)
    whole = lived(opened(path.with_name("b.journal"), journal={}), 10)
    first, last = live.journal.first, live.journal.last
    assert last == 61
    assert 30 < first <= last - SMALL["keep_events"] + 1
    assert live.events(first - 1, 1000) == whole.events(first - 1, 1000)
    number, _ = live.journal.load_decision() or (0, None)
    assert number > first


@pytest.mark.parametrize("damaged", [False, True])
def test_compacted_journal_leads_to_the_same_station(path: Path, damaged: bool) -> None:
    live = compacted(path)
    before = seen(live)
    kill(live)
    if damaged:  # the saved decision from which the kept events go on is there as well
        change(path, "UPDATE decision SET digest = '' WHERE number = (SELECT max(number) FROM decision)")
    again = opened(path, journal=SMALL)
    assert seen(again) == before
    assert again.journal.first == live.journal.first


def test_events_that_are_gone_are_answered_410(path: Path) -> None:
    live = compacted(path)
    first = live.journal.first
    with TestClient(create_app(live)) as client:
        for since in (0, first - 2):
            answer = client.get("/v1/events", params={"since": since})
            assert answer.status_code == 410
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["detail"] == (
                f"events before {first} are no longer kept; the oldest is {first}: "
                f"ask for those since {first - 1}"
            )
        events = client.get("/v1/events", params={"since": first - 1}).json()
        assert [event["number"] for event in events] == list(range(first, 62))


def test_journal_is_compacted_slice_by_slice(path: Path) -> None:
    """Ten thousand events a tick, so that no call waits for a million."""
    live = opened(path, journal={"max_events": 25_000, "keep_events": 1_000}, save_every=500)
    event = live.execute(lambda station: (200, station.set_static_load(1.0))) and live.events(0, 1)[0]
    assert event["number"] == 1
    [(_, recorded)] = live.journal.events()
    for _ in range(26):
        live.journal.append([recorded] * 1000)
        live.journal.save_decision(live.view.decision)
    firsts = []
    for _ in range(4):
        live.tick()
        firsts.append(live.journal.first)
    assert firsts == [10_001, 20_001, 25_002, 25_002]
    assert rows_of(live) == list(range(25_002, 26_002))


def rows_of(live: LiveStation) -> list[int]:
    return [number for number, _ in live.journal.events(live.journal.first - 1)]


def test_compacted_journal_without_a_sound_decision_is_refused(path: Path) -> None:
    kill(compacted(path))
    change(path, "UPDATE decision SET digest = ''")
    with pytest.raises(JournalError, match="damaged: no saved state can be read, and events before"):
        opened(path)


def test_decision_that_is_damaged_is_no_ground_to_delete_events(path: Path) -> None:
    live = lived(opened(path, journal=SMALL, save_every=7), 10)
    kill(live)
    change(path, "UPDATE decision SET digest = '' WHERE number < (SELECT max(number) FROM decision)")
    live = opened(path, journal=SMALL)
    live.tick()
    assert live.journal.first == 1


def compact_and_die(path: Path, words: str) -> None:
    """Compact a journal, as each start does, and be killed at a statement in the middle of it."""
    disk, statements = Disk(), [""]

    def die(statement: str) -> None:
        statements.append(statement)
        if statement.startswith(words) and any(each.startswith("DELETE FROM event") for each in statements):
            os.kill(os.getpid(), signal.SIGKILL)

    disk.before = die
    opened(path, journal={**SMALL, "connect": disk.connect})


@pytest.mark.service
def test_kill_during_a_compaction_loses_nothing(path: Path) -> None:
    live = lived(opened(path, save_every=7, journal={"keep_events": 10}), 10)
    before = seen(live)
    kill(live)
    for words in ("DELETE FROM event", "DELETE FROM decision", "COMMIT"):
        process = multiprocessing.get_context("spawn").Process(target=compact_and_die, args=(path, words))
        process.start()
        process.join(60.0)
        assert process.exitcode == -signal.SIGKILL
        live = opened(path, journal={"keep_events": 10})
        assert (seen(live), live.journal.first) == (before, 1)
        kill(live)
    live = opened(path, journal=SMALL)
    live.tick()
    assert live.journal.first > 1
    assert seen(live) == before
