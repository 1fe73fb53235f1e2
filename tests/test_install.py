"""The pinned list, the README and the other documents, and the notebooks as they are saved."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==[0-9][A-Za-z0-9.!+_-]*( ; .+)?$")


def pinned_lines() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_requirements_are_pinned_and_hold_no_address() -> None:
    assert len(pinned_lines()) > 80
    assert [line for line in pinned_lines() if not PINNED.match(line)] == []
    assert "://" not in (ROOT / "requirements.txt").read_text("utf-8")


def test_requirements_hold_the_direct_dependencies_and_not_rfc3987_syntax() -> None:
    names = {PINNED.match(line)[1].lower() for line in pinned_lines()}  # type: ignore[index]
    wanted = "jupyterlab ipywidgets voila plotly anywidget pydantic nbval pytest numpy pandas json5"
    wanted += " numba highspy pyarrow tqdm distributed hypothesis playwright ruff mypy"
    assert set(wanted.split()) <= names
    # Importing it costs every Jupyter process seconds; the list leaves it out.
    assert "rfc3987-syntax" not in names


def test_environment_yml_installs_the_pinned_list() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    pip = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert pip == ["-r requirements.txt", "-e ."]


def readme_block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no block marked {mark!r}"
    return found[1]


def test_readme_names_its_two_commands() -> None:
    install = "pip install --no-deps -r requirements.txt -e ."
    assert readme_block("command: page").strip() == f"{install} && voila notebooks/station.ipynb"
    assert readme_block("command: test").strip() == f"{install} && pytest"


def run_of(example: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-c", example], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return run


def test_readme_simulation_prints_its_comments() -> None:
    example = readme_block("example: simulation")
    said = [line.removeprefix("# ") for line in example.splitlines() if line.startswith("# ")]
    assert run_of(example).stdout.splitlines() == said


def test_readme_example_prints_its_comments() -> None:
    run = run_of(readme_block("example"))
    sentence = "offered 100 of 210 kW: CP001 shares 200 kW between 2 cars; the site could give 220 more"
    assert run.stdout.splitlines() == ["{'S0001': 100.0, 'S0002': 100.0}", sentence, "66.7 kWh"]
    assert f"# {sentence}" in README


def readme_section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## )", README, re.DOTALL | re.MULTILINE)
    assert found, f"the README has no section {title!r}"
    return found[1]


def test_readme_has_at_most_900_words() -> None:
    assert len(README.split()) <= 900


def test_readme_map_has_one_row_for_each_package_and_no_other() -> None:
    rows = re.findall(r"^\| `([\w./]+)` \| (.+) \|$", readme_section("The rooms"), re.MULTILINE)
    package = ROOT / "electra_core"
    folders = {f"{path.name}/" for path in package.iterdir() if (path / "__init__.py").is_file()}
    assert [name for name, _ in rows] == ["errors.py", *(n for n, _ in rows[1:] if n in folders)]
    assert {name for name, _ in rows} == {"errors.py", *folders}
    assert all(len(words) > 20 for _, words in rows)


def linked_paths(document: Path) -> list[Path]:
    """Return the files of the project that a document links to or shows."""
    text = document.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)|(?:src|href)=\"([^\"#]+)\"", text)
    names = [first or second for first, second in targets]
    return [document.parent / name for name in names if "://" not in name]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_links_to_files_that_exist(document: Path) -> None:
    missing = [path for path in linked_paths(document) if not path.exists()]
    assert missing == []


def test_readme_links_to_every_document() -> None:
    linked = {path.resolve() for path in linked_paths(ROOT / "README.md")}
    assert {path.resolve() for path in (ROOT / "docs").glob("*.md")} <= linked


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_document_names_only_modules_and_files_that_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    for path in re.findall(r"`((?:electra_core|tests|notebooks|configs|tools|benchmarks)/[\w./]*)`", text):
        # The browser tests make a folder, and NN stands for the number of a lesson.
        assert path.startswith("tests/screenshots") or "NN_" in path or (ROOT / path).exists(), path
    for module in re.findall(r"`(electra_core(?:\.\w+)+)`", text):
        assert importable(module), module


def importable(dotted: str) -> bool:
    """Return whether a dotted name is a module, or a public name of one."""
    module, _, name = dotted.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False


PYTHON_BLOCKS = [
    pytest.param(block, id=f"{path.name}-{number}")
    for path in sorted((ROOT / "docs").glob("*.md"))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL))
]


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_block_of_a_document_runs_and_prints_its_comments(block: str, tmp_path: Path) -> None:
    shipped = ROOT / "configs" / "electra_paris_15.json"
    (tmp_path / "my_station.json").write_text(shipped.read_text("utf-8"), "utf-8")
    said = [
        line.partition("#")[2].strip()
        for line in block.splitlines()
        if line.startswith("print(") and "#" in line
    ]
    assert run_of(block, tmp_path).stdout.splitlines() == said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_saved_without_widget_state_and_paths(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "application/vnd.jupyter.widget-state+json" not in text
    assert not re.search(r"/(home|root|Users|tmp)/", text)
    for cell in json.loads(text)["cells"]:
        assert cell["metadata"].get("execution") is None
        # nbval wants a number where it is to compare what a cell says.
        if cell["cell_type"] == "code":
            assert cell["execution_count"] or not cell["outputs"]
            assert len("".join(cell["source"]).splitlines()) <= 12


def test_no_file_in_git_names_an_index_or_a_home_folder() -> None:
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if git.returncode != 0:
        pytest.skip("not a git checkout")
    forbidden = re.compile(r"://[a-z.]*(pypi|pythonhosted|npmjs|anaconda)\.|/(home|root)/[a-z]")
    this_file = Path(__file__).relative_to(ROOT).as_posix()
    for name in git.stdout.splitlines():
        if name == this_file or name.endswith(".png"):
            continue
        assert not forbidden.search((ROOT / name).read_text("utf-8")), name
