"""What every lesson keeps to: text and notebook in step, short cells, exercises, computed numbers."""

from __future__ import annotations

import re
import statistics

import jupytext
import nbformat
import pytest
from nbformat import NotebookNode
from stations import ROOT

FOLDER = ROOT / "notebooks" / "lessons"
NAMES = [
    "00_start_here",
    "01_sharing_fairly",
    "02_cars_are_not_constant",
    "03_a_battery_helps",
    "04_a_day_at_a_real_station",
    "05_when_you_know_the_departure",
    "06_when_things_break",
    "07_your_own_strategy",
]
LESSONS = [name for name in NAMES if name[:2] != "00"]
LAST_SECTIONS = ["Exercises", "What to remember", "What is not modelled", "Sources"]

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
# What counts nothing: addresses, names of files, years and dates, the number of an exercise or a lesson.
UNCOUNTED = re.compile(r"\]\([^)]*\)|https?://\S+|`[^`]*`|\b(?:19|20)\d\d\b|\b(?:Exercise|[Ll]esson) \d+")


@pytest.fixture(params=NAMES)
def lesson(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(FOLDER / f"{request.param}.ipynb", as_version=4)


@pytest.fixture(params=LESSONS)
def full_lesson(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(FOLDER / f"{request.param}.ipynb", as_version=4)


def of_kind(lesson: NotebookNode, kind: str) -> list[NotebookNode]:
    return [cell for cell in lesson.cells if cell.cell_type == kind]


def lines_of(cell: NotebookNode) -> int:
    return len(cell.source.splitlines())


def headings(lesson: NotebookNode) -> list[tuple[int, str]]:
    texts = "\n".join(cell.source for cell in of_kind(lesson, "markdown"))
    return [(len(marks), text) for marks, text in re.findall(r"^(#+) (.+)$", texts, re.MULTILINE)]


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def test_nothing_else_is_there() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_text_and_notebook_are_in_step(name: str) -> None:
    """What is reviewed is what runs: ``python tools/lessons.py`` makes the notebooks."""
    text, notebook = jupytext.read(FOLDER / f"{name}.py"), nbformat.read(FOLDER / f"{name}.ipynb", 4)

    def parts(lesson: NotebookNode) -> list[tuple[str, str, list[str], bool]]:
        return [
            (cell.cell_type, cell.source, tags(cell), "source_hidden" in cell.metadata.get("jupyter", {}))
            for cell in lesson.cells
        ]

    assert parts(notebook) == parts(text)


def test_it_is_saved_as_it_was_run(lesson: NotebookNode) -> None:
    code = of_kind(lesson, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert set(lesson.metadata) == {"kernelspec", "language_info", "jupytext"}
    for cell in code:
        assert set(cell.metadata) <= {"tags", "jupyter"}
        assert all(output.output_type != "error" for output in cell.outputs)
        assert "widget-view" not in str(cell.outputs)
    whole = nbformat.writes(lesson)
    assert not re.search(r"/(home|work|tmp|usr|root|Users)/", whole)
    assert len(whole) < 1_000_000


def test_cells_are_short_and_each_has_its_words(lesson: NotebookNode) -> None:
    lengths = [lines_of(cell) for cell in of_kind(lesson, "code")]
    assert max(lengths) <= 12
    assert statistics.median(lengths) <= 5
    for before, cell in zip(lesson.cells, lesson.cells[1:], strict=False):
        assert cell.cell_type != "code" or before.cell_type == "markdown", f"no words before:\n{cell.source}"


def test_it_opens_with_a_question_and_has_something_to_move(lesson: NotebookNode) -> None:
    levels = [level for level, _ in headings(lesson)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert "?" in lesson.cells[0].source
    code = "\n".join(cell.source for cell in of_kind(lesson, "code"))
    assert re.search(r"\b(slider|choice|switch|press)\(", code)
    assert any(
        "image/png" in output.get("data", {}) for cell in lesson.cells for output in cell.get("outputs", [])
    )


def test_it_ends_with_exercises_and_what_remains(full_lesson: NotebookNode) -> None:
    sections = [text for level, text in headings(full_lesson) if level == 2]
    assert sections[-4:] == LAST_SECTIONS
    exercises = [text for level, text in headings(full_lesson) if level == 3 and text.startswith("Exercise")]
    solutions = [cell for cell in full_lesson.cells if "solution" in tags(cell)]
    assert len(exercises) >= 2
    assert sum(bool(cell.outputs) for cell in solutions) >= len(exercises)
    for cell in solutions:
        assert cell.cell_type == "code"
        assert cell.metadata.jupyter.source_hidden


def test_every_number_in_the_words_comes_from_a_cell(lesson: NotebookNode) -> None:
    computed = set()
    for cell in of_kind(lesson, "code"):
        said = [cell.source]
        for output in cell.outputs:
            said += [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
        computed |= {plain(number) for number in NUMBER.findall("\n".join(map(str, said)))}
    for cell in of_kind(lesson, "markdown"):
        words = UNCOUNTED.sub(" ", cell.source.partition("## Sources")[0])
        unknown = [number for number in NUMBER.findall(words) if plain(number) not in computed]
        assert not unknown, f"no cell says {unknown}:\n{cell.source}"


def plain(number: str) -> float:
    return float(number.replace(",", "").rstrip("."))


def test_the_readme_and_the_map_name_them_all() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    start = (FOLDER / "00_start_here.py").read_text("utf-8")
    for name in LESSONS:
        assert f"notebooks/lessons/{name}.ipynb" in readme
        assert f"({name}.ipynb)" in start
        assert (FOLDER / "pictures" / f"{name}.png").is_file()
        assert f"notebooks/lessons/pictures/{name}.png" in readme
        assert f"(pictures/{name}.png)" in start
