"""Files of sessions: packing, lines, damage, and the treatment of bad rows, for every loader."""

from __future__ import annotations

import gzip
import pickle
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from session_logs import ACN_HEADER, EPFL_HEADER, PLAIN, Loader, faults_of, lines, station_of, written

from electra_core.sessions import (
    SessionsError,
    SessionsWarning,
    read_acn,
    read_epfl,
    read_session_table,
    read_sessions,
)


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    plain, packed = written(tmp_path, PLAIN), written(tmp_path, gzip.compress(PLAIN.encode()), "log.csv.gz")
    pd.testing.assert_frame_equal(read_sessions(packed), read_sessions(plain))


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(), "windows.csv")
    pd.testing.assert_frame_equal(read_sessions(path), read_sessions(written(tmp_path, PLAIN)))


def test_file_without_rows_becomes_an_empty_table(tmp_path: Path) -> None:
    for loader, header in (
        (read_sessions, "session_id,arrival_s,energy_kwh,max_power_kw"),
        (read_epfl, EPFL_HEADER),
        (read_acn, ACN_HEADER),
    ):
        frame = loader(written(tmp_path, lines(header)))
        assert len(frame) == 0
        assert len(read_session_table(frame, station_of(frame))) == 0


def test_faults_name_the_lines_of_the_file(tmp_path: Path) -> None:
    """Line numbers include empty lines and line breaks in a quoted cell."""
    text = lines(
        "session_id,arrival_s,energy_kwh,max_power_kw,note",
        "a,0,1,5,",
        "",
        'b,-1,1,5,"over',
        'two lines"',
        "c,0,1,5",
        ",,,,",
        "c,0,x,5,",
        "d,0,1,5,",
    )
    faults = faults_of(read_sessions, written(tmp_path, text))
    assert faults == (
        "line 4 (session 'b'): arrival_s must be 0 s or more, got -1.0",
        "line 6 (session 'c'): it has 4 cells, the header has 5",
        "line 8 (session 'c'): energy_kwh must be a number, got 'x'",
    )


def test_warning_lists_few_faults_and_counts_the_others(tmp_path: Path) -> None:
    path = written(
        tmp_path, lines("arrival_s,energy_kwh,max_power_kw", "0,1,5", *["0,-1,5"] * 30), "many.csv"
    )
    with pytest.warns(SessionsWarning) as caught:
        frame = read_sessions(path, on_error="skip")
    assert caught[0].filename == __file__
    words = str(caught[0].message).split("\n")
    assert words[0] == "many.csv: 30 of 31 rows are left out"
    assert words[1].startswith("line 3 ")
    assert words[-1] == "and 25 more"
    assert len(words) == 7
    assert len(frame) == 1
    assert len(frame.attrs["skipped"]) == 30
    with pytest.raises(SessionsError) as caught:
        read_sessions(path)
    assert len(caught.value.faults) == 30
    assert str(caught.value).endswith("and 10 more")


def test_sound_file_gives_no_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read_sessions(written(tmp_path, PLAIN), on_error="skip")
    assert frame.attrs["skipped"] == ()


@pytest.mark.parametrize("loader", [read_sessions, read_epfl, read_acn])
@pytest.mark.parametrize("on_error", ["ignore", None, "", ["skip"]])
def test_other_on_error_is_refused(loader: Loader, on_error: Any) -> None:
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip', got"):
        loader("nowhere.csv", on_error=on_error)


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n\n", "the file is empty"),
    "packed nothing": (gzip.compress(b""), "the file is empty"),
    "zeros": (b"arrival_s,\0\0\n", "the file is not text"),
    "latin": ("arrival_s,n\xe4me\n".encode("latin-1"), "the file is not UTF-8 text"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "the file is not UTF-8 text"),
    "cut gzip": (gzip.compress(PLAIN.encode())[:-20], "begins like gzip and cannot be unpacked"),
    "spoiled gzip": (
        gzip.compress(PLAIN.encode())[:12] + b"spoiled",
        "begins like gzip and cannot be unpacked",
    ),
    "page": (b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "there is no column"),
    "other": (b"a;b;c\n1;2;3\n", "there is no column"),
    "open quote": ((ACN_HEADER + '\n"never,closed\n').encode(), "there is no column"),
}


@pytest.mark.parametrize("loader", [read_sessions, read_epfl, read_acn])
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_file_is_refused(tmp_path: Path, loader: Loader, name: str) -> None:
    content, words = DAMAGED[name]
    if name == "open quote" and loader is read_acn:
        words = "line 2: not CSV"
    path = written(tmp_path, content)
    for on_error in ("raise", "skip"):
        with pytest.raises(SessionsError, match=words) as caught:
            loader(path, on_error=on_error)
        assert caught.value.source == "log.csv"
        assert str(tmp_path) not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("loader", [read_sessions, read_epfl, read_acn])
def test_missing_file_is_refused_without_its_folder(tmp_path: Path, loader: Loader) -> None:
    with pytest.raises(SessionsError, match=r"^none\.csv: 1 fault\nthere is no such file$"):
        loader(tmp_path / "none.csv")
    with pytest.raises(SessionsError, match="the file cannot be read"):
        loader(tmp_path)
    for path in (None, 5, "a\0b"):
        with pytest.raises(SessionsError):
            loader(path)


def test_sessions_error_survives_pickling() -> None:
    error = SessionsError("log.csv", ["line 2: wrong", "line 3: wrong"])
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.source, copy.faults, str(copy)) == (error.source, error.faults, str(error))


def test_missing_and_repeated_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionsError, match="there is no column arrival_s; there are 'session_id', 'energy'"):
        read_sessions(written(tmp_path, lines("session_id,energy", "a,1")))
    with pytest.raises(SessionsError, match="neither a column energy_kwh nor a column target_soc"):
        read_sessions(written(tmp_path, lines("arrival_s,max_power_kw", "0,1")))
    with pytest.raises(SessionsError, match="neither a column max_power_kw nor a column vehicle"):
        read_sessions(written(tmp_path, lines("arrival_s,energy_kwh", "0,1")))
    with pytest.raises(SessionsError, match="the column 'arrival_s' is there twice"):
        read_sessions(written(tmp_path, lines("arrival_s,energy_kwh,max_power_kw,arrival_s", "0,1,1,0")))
    with pytest.raises(SessionsError, match="there is no column pmax_w, soc_departure; there are"):
        read_epfl(written(tmp_path, EPFL_HEADER.replace("pmax_w", "p").replace("soc_departure", "soc")))
