"""Makes the lessons' notebooks from their texts: ``python tools/lessons.py`` for all, or with names of some.

A lesson is written as ``notebooks/lessons/NN_name.py`` (jupytext's percent format). This tool executes it and
saves it as a notebook without widget state: with the outputs that nbval compares, and with a picture in place
of each interactive chart, for readers without a kernel. The first picture of a lesson goes to ``pictures``,
too: a page served by Voila can show only files below its notebook.

``python tools/lessons.py --check`` lists what breaks the style of the lessons.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from shutil import which
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
LESSONS = ROOT / "notebooks" / "lessons"
PICTURES = LESSONS / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
    "jupytext": {"formats": "ipynb,py:percent"},
}
WIDTH = 800

DRAW = """([figure, width]) => Plotly.toImage(
    {data: figure.data, layout: {...figure.layout, autosize: false, width, paper_bgcolor: "white"}},
    {format: "png", width, height: figure.layout.height ?? 380})"""

# The style: lines of a cell, and the sections that end each lesson but the first.
MAX_LINES, MAX_MEDIAN_LINES = 12, 5
LAST_SECTIONS = ["Exercises", "What to remember", "What is not modelled", "Sources"]


@contextmanager
def plotly() -> Iterator[Page]:
    """Open a page that can draw plotly's figures."""
    path = next(filter(None, map(which, BROWSERS)), None)
    if path is None:
        sys.exit("the pictures need a Chromium, and there is none on this machine")
    script = resources.files("plotly").joinpath("package_data/plotly.min.js").read_text("utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.add_script_tag(content=script)
        yield page
        browser.close()


def notebook_of(path: Path, page: Page) -> nbformat.NotebookNode:
    """Return a lesson's text as an executed notebook, with pictures for its charts."""
    notebook = jupytext.read(path)
    options = {"timeout": 300, "store_widget_state": True, "coalesce_streams": True}
    NotebookClient(notebook, resources={"metadata": {"path": str(path.parent)}}, **options).execute()
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    pictures = []
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        for output in cell.get("outputs", []):
            if WIDGET not in output.get("data", {}):
                continue
            if "nbval-ignore-output" not in _tags(cell):
                sys.exit(f"{path.name}: needs the tag nbval-ignore-output, for a widget:\n{cell.source}")
            figure = _figure(state, output.data[WIDGET].get("model_id"))
            output.data = {"text/plain": "what a hand moves here needs a running kernel"}
            if figure:
                pictures.append(page.evaluate(DRAW, [figure, WIDTH]).partition(",")[2])
                output.data["image/png"] = pictures[-1]
        if cell.cell_type == "code":
            # Times of execution would differ from run to run; the other belongs to the text.
            cell.metadata.pop("execution", None)
            cell.metadata.pop("lines_to_next_cell", None)
    notebook.metadata = nbformat.from_dict(METADATA)
    if pictures:
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{path.stem}.png").write_bytes(base64.b64decode(pictures[0]))
    return notebook


def _figure(state: Mapping[str, Any], model_id: str | None) -> dict[str, Any] | None:
    """Return the figure of a widget, or of the first of its children that has one."""
    model = state.get(model_id or "", {}).get("state", {})
    if "_widget_data" in model:
        return {"data": model["_widget_data"], "layout": model["_widget_layout"]}
    children = (_figure(state, each.removeprefix("IPY_MODEL_")) for each in model.get("children", []))
    return next(filter(None, children), None)


def style_faults(path: Path) -> Iterator[str]:
    """Yield each fault of a notebook's style as a sentence."""
    lesson = nbformat.read(path, as_version=4)
    code = [cell for cell in lesson.cells if cell.cell_type == "code"]
    texts = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    titles = [(len(marks), text) for marks, text in re.findall(r"^(#+) (.+)$", texts, re.MULTILINE)]
    lengths = [len(cell.source.splitlines()) for cell in code]
    if max(lengths) > MAX_LINES or statistics.median(lengths) > MAX_MEDIAN_LINES:
        yield f"cells have at most {MAX_LINES} lines, half of them at most {MAX_MEDIAN_LINES}: {lengths}"
    for before, cell in zip(lesson.cells, lesson.cells[1:], strict=False):
        if cell.cell_type == "code" and before.cell_type != "markdown":
            yield f"there is no text before this cell:\n{cell.source}"
    if [level for level, _ in titles].count(1) != 1 or titles[0][0] != 1 or "?" not in lesson.cells[0].source:
        yield "the first cell has the only title of the first level, and asks a question"
    if not re.search(r"\b(slider|choice|switch|press)\(", "\n".join(cell.source for cell in code)):
        yield "there is no chart with a control"
    if not any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs):
        yield "there is no picture of a chart"
    if not path.name.startswith("00"):
        yield from _exercise_faults(code, titles)


def _exercise_faults(code: list[nbformat.NotebookNode], titles: list[tuple[int, str]]) -> Iterator[str]:
    if [text for level, text in titles if level == 2][-4:] != LAST_SECTIONS:
        yield f"the last sections are {', '.join(LAST_SECTIONS)}"
    exercises = [text for level, text in titles if level == 3 and text.startswith("Exercise")]
    solutions = [cell for cell in code if "solution" in _tags(cell)]
    if len(exercises) < 2 or sum(bool(cell.outputs) for cell in solutions) < len(exercises):
        yield "there are at least two exercises, each with a solution that has an output"
    if not all(cell.metadata.get("jupyter", {}).get("source_hidden") for cell in solutions):
        yield "every solution is folded"


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def check(paths: list[Path]) -> None:
    """Print the faults of style of the lessons; exit with 1 where there is one."""
    faults = [f"{path.stem}: {fault}" for path in paths for fault in style_faults(path.with_suffix(".ipynb"))]
    print("\n".join(faults) or f"{len(paths)} lessons keep to the style")
    sys.exit(bool(faults))


def main() -> None:
    """Make or check the lessons that the command line names, or all."""
    parser = argparse.ArgumentParser(description="Make the lessons' notebooks from their texts.")
    parser.add_argument("names", nargs="*", help="beginnings of the lessons' names; default: all")
    parser.add_argument("--check", action="store_true", help="check the style of the notebooks instead")
    wanted = parser.parse_args()
    names = tuple(wanted.names) or ("",)
    paths = [path for path in sorted(LESSONS.glob("[0-9][0-9]_*.py")) if path.name.startswith(names)]
    if wanted.check:
        check(paths)
    with plotly() as page:
        for path in paths:
            text = json.dumps(notebook_of(path, page), indent=1, ensure_ascii=False) + "\n"
            path.with_suffix(".ipynb").write_text(text, "utf-8")
            print(path.with_suffix(".ipynb").name)


if __name__ == "__main__":
    main()
