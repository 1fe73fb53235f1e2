"""What a newcomer installs and reads: the pinned list, the README, the notebooks."""

from __future__ import annotations

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
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==[0-9][A-Za-z0-9.!+_-]*( ; .+)?$")


def pinned_lines() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_list_is_pinned_and_holds_no_address() -> None:
    assert len(pinned_lines()) > 80
    assert [line for line in pinned_lines() if not PINNED.match(line)] == []
    assert "://" not in (ROOT / "requirements.txt").read_text("utf-8")


def test_the_list_has_what_the_project_asks_for_and_not_the_slow_one() -> None:
    names = {PINNED.match(line)[1].lower() for line in pinned_lines()}  # type: ignore[index]
    wanted = "jupyterlab ipywidgets voila plotly anywidget pydantic nbval pytest numpy pandas json5"
    wanted += " numba highspy pyarrow tqdm distributed hypothesis playwright ruff mypy"
    assert set(wanted.split()) <= names
    # Importing it costs every Jupyter process seconds; the list leaves it out.
    assert "rfc3987-syntax" not in names


def test_conda_installs_the_same_list() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    pip = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert pip == ["-r requirements.txt", "-e ."]


def readme_block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no block marked {mark!r}"
    return found[1]


def test_the_readme_names_its_two_commands() -> None:
    install = "pip install --no-deps -r requirements.txt -e ."
    assert readme_block("command: page").strip() == f"{install} && voila notebooks/station.ipynb"
    assert readme_block("command: test").strip() == f"{install} && pytest"


def run_of(example: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return run


def test_the_readme_simulation_prints_what_it_says() -> None:
    example = readme_block("example: simulation")
    said = [line.removeprefix("# ") for line in example.splitlines() if line.startswith("# ")]
    assert run_of(example).stdout.splitlines() == said


def test_the_readme_example_prints_what_it_says() -> None:
    run = run_of(readme_block("example"))
    sentence = "offered 100 of 210 kW: CP001 shares 200 kW between 2 cars; the site could give 220 more"
    assert run.stdout.splitlines() == ["{'S0001': 100.0, 'S0002': 100.0}", sentence, "66.7 kWh"]
    assert f"# {sentence}" in README


def test_the_readme_map_names_every_file() -> None:
    for path in (ROOT / "electra_core").glob("*.py"):
        if path.stem != "__init__":
            assert f"{path.stem}" in README.replace(
                "voila_*", "voila_figure voila_server_config voila_kernels"
            ), path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_saved_clean(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "application/vnd.jupyter.widget-state+json" not in text
    assert not re.search(r"/(home|root|Users|tmp)/", text)
    for cell in json.loads(text)["cells"]:
        assert cell["metadata"].get("execution") is None
        # nbval wants a number where it is to compare what a cell says.
        if cell["cell_type"] == "code":
            assert cell["execution_count"] or not cell["outputs"]
            assert len("".join(cell["source"]).splitlines()) <= 12


def test_no_file_in_git_names_an_index_or_this_machine() -> None:
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if git.returncode != 0:
        pytest.skip("not a git checkout")
    forbidden = re.compile(r"://[a-z.]*(pypi|pythonhosted|npmjs|anaconda)\.|/(home|root)/[a-z]")
    this_file = Path(__file__).relative_to(ROOT).as_posix()
    for name in git.stdout.splitlines():
        if name == this_file or name.endswith(".png"):
            continue
        assert not forbidden.search((ROOT / name).read_text("utf-8")), name
