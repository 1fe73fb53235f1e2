"""Makes the lessons' notebooks from their texts: ``python tools/lessons.py`` for all, or with names of some.

A lesson is written as ``notebooks/lessons/NN_name.py`` (jupytext's percent format). Here it is executed and
saved as a notebook without widget state: with what nbval compares, and with a picture in place of each live
chart, for those who read without a kernel. The first picture of a lesson goes to ``pictures``, too: a page
served by Voila can show only what lies below its notebook.
"""

from __future__ import annotations

import base64
import json
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


@contextmanager
def plotly() -> Iterator[Page]:
    """A page that can draw plotly's figures."""
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


def made(path: Path, page: Page) -> nbformat.NotebookNode:
    """A lesson's text, executed, with pictures for its charts."""
    notebook = jupytext.read(path)
    NotebookClient(notebook, timeout=300, store_widget_state=True, resources=_at(path.parent)).execute()
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    pictures = []
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        for output in cell.get("outputs", []):
            figure = _figure(state, output.get("data", {}).get(WIDGET, {}).get("model_id"))
            if WIDGET not in output.get("data", {}):
                continue
            if "nbval-ignore-output" not in cell.metadata.get("tags", []):
                sys.exit(f"{path.name}: needs the tag nbval-ignore-output, for a widget:\n{cell.source}")
            output.data = {"text/plain": "what a hand moves here needs a running kernel"}
            if figure:
                pictures.append(page.evaluate(DRAW, [figure, WIDTH]).partition(",")[2])
                output.data["image/png"] = pictures[-1]
        if cell.cell_type == "code":
            # Times of execution would be others at every run.
            cell.metadata.pop("execution", None)
            # Of the text alone.
            cell.metadata.pop("lines_to_next_cell", None)
    notebook.metadata = nbformat.from_dict(METADATA)
    if pictures:
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{path.stem}.png").write_bytes(base64.b64decode(pictures[0]))
    return notebook


def _at(folder: Path) -> dict[str, Any]:
    return {"metadata": {"path": str(folder)}}


def _figure(state: Mapping[str, Any], model_id: str | None) -> dict[str, Any] | None:
    """The figure of a widget, or of the first of its children that is one."""
    model = state.get(model_id or "", {}).get("state", {})
    if "_widget_data" in model:
        return {"data": model["_widget_data"], "layout": model["_widget_layout"]}
    children = (_figure(state, each.removeprefix("IPY_MODEL_")) for each in model.get("children", []))
    return next(filter(None, children), None)


def main(names: list[str]) -> None:
    """Make the lessons whose names begin so; without names all."""
    with plotly() as page:
        for path in sorted(LESSONS.glob("[0-9][0-9]_*.py")):
            if names and not path.name.startswith(tuple(names)):
                continue
            text = json.dumps(made(path, page), indent=1, ensure_ascii=False) + "\n"
            path.with_suffix(".ipynb").write_text(text, "utf-8")
            print(path.with_suffix(".ipynb").name)


if __name__ == "__main__":
    main(sys.argv[1:])
