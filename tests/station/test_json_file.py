"""JSON files that people write: comments are allowed, and each error has a sentence and a place."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from electra_core.errors import ElectraError
from electra_core.station import JsonFileError, parse_json, read_json


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        ('{"a": 1, /* kW */ "b": [2,],} // end', {"a": 1, "b": [2]}),
        ("[]", []),
        ('{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
    ],
)
def test_text_is_parsed_with_and_without_comments(text: str, content: Any, tmp_path: Path) -> None:
    assert parse_json(text) == content
    path = tmp_path / "file.json"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_json(path) == read_json(str(path)) == content


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("", "", "the file is empty"),
        ('{\n"a": }', "line 2, column 6", "not JSON: "),
        ('{"a": ' + "9" * 5000 + "}", "", "not JSON: a number has thousands of digits"),
        ("[" * 100_000, "", "not JSON: nested too deeply"),
        ('{"a": 1, "a": 2}', "a", "is given twice"),
        ('{"a": [0, {"b c": 1, "b c": 1}]}', "a[1].b c", "is given twice"),
        (
            '{"a": {"x": 1, "x": 2}, // twice\n "b": 1, "b": 2, "": 0, "": 0}',
            "a.x",
            "is given twice, and so is b, ''",
        ),
    ],
    ids=lambda value: repr(value)[:25],
)
def test_error_has_place_and_sentence(text: str, place: str, sentence: str) -> None:
    with pytest.raises(JsonFileError) as caught:
        parse_json(text)
    assert caught.value.place == place
    assert caught.value.sentence.startswith(sentence)
    assert str(caught.value).startswith(f"{place}: {sentence}" if place else sentence)


def test_error_beside_comments_has_a_line_and_column() -> None:
    with pytest.raises(JsonFileError, match=r"^line 3, column \d: not JSON: "):
        parse_json("{\n// why\n]")


def test_long_text_with_comments_is_refused_with_the_place_of_the_first() -> None:
    text = "[\n" + "1,\n" * 50_000 + "// too long to read comments\n2]"
    with pytest.raises(
        JsonFileError, match=r"line 50002, column 1: not JSON: .* in up to 100,000 characters"
    ):
        parse_json(text)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(JsonFileError, match=r"there is no file '.*none\.json'"):
        read_json(tmp_path / "none.json")
    with pytest.raises(JsonFileError, match="the file cannot be read: "):
        read_json(tmp_path)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JsonFileError, match="the file is not UTF-8 text"):
        read_json(tmp_path / "binary.json")


def test_error_survives_pickle_and_copy() -> None:
    error = JsonFileError("is given twice", "a.b")
    assert isinstance(error, ElectraError)
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (type(again), str(again)) == (JsonFileError, "a.b: is given twice")
        assert (again.sentence, again.place) == ("is given twice", "a.b")
