"""The promises of each lesson: text and notebook in step, saved as it was run, computed numbers."""

from __future__ import annotations

import re
import subprocess
import sys

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
HELPERS = ["lesson_charts", "lesson_widgets"]

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
# Not checked: addresses, names of files, years and dates, numbers of exercises and lessons.
UNCOUNTED = re.compile(r"\]\([^)]*\)|https?://\S+|`[^`]*`|\b(?:19|20)\d\d\b|\b(?:Exercise|[Ll]esson) \d+")


@pytest.fixture(params=NAMES)
def lesson(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(FOLDER / f"{request.param}.ipynb", as_version=4)


def of_kind(lesson: NotebookNode, kind: str) -> list[NotebookNode]:
    return [cell for cell in lesson.cells if cell.cell_type == kind]


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def test_folder_has_lessons_and_their_helpers_only() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == [*NAMES, *HELPERS]


@pytest.mark.parametrize("name", NAMES)
def test_text_and_notebook_are_in_step(name: str) -> None:
    """``python tools/lessons.py`` makes the notebooks of the texts."""
    text, notebook = jupytext.read(FOLDER / f"{name}.py"), nbformat.read(FOLDER / f"{name}.ipynb", 4)

    def parts(lesson: NotebookNode) -> list[tuple[str, str, list[str], bool]]:
        return [
            (cell.cell_type, cell.source, tags(cell), "source_hidden" in cell.metadata.get("jupyter", {}))
            for cell in lesson.cells
        ]

    assert parts(notebook) == parts(text)


def test_lesson_is_saved_as_it_was_run(lesson: NotebookNode) -> None:
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


def test_lessons_keep_to_their_style() -> None:
    """Length of cells, order of sections, exercises with folded solutions: a matter for authors."""
    found = subprocess.run(
        [sys.executable, "tools/lessons.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout == f"{len(NAMES)} lessons keep to the style\n"


def test_every_number_in_the_text_comes_from_a_cell(lesson: NotebookNode) -> None:
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


def test_readme_and_map_name_every_lesson() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    start = (FOLDER / "00_start_here.py").read_text("utf-8")
    for name in LESSONS:
        assert f"notebooks/lessons/{name}.ipynb" in readme
        assert f"({name}.ipynb)" in start
        assert (FOLDER / "pictures" / f"{name}.png").is_file()
        assert f"notebooks/lessons/pictures/{name}.png" in readme
        assert f"(pictures/{name}.png)" in start
