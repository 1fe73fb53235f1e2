"""The command line, and the wheel: what is shipped is found by name, from any folder."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import types
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
from stations import ROOT

from electra_core import ConfigError, load_config
from electra_core.cli import main
from electra_core.station import shipped

NAMES = ["electra_paris_15", "epfl_level3", "epfl_level3_battery", "highway_hub"]


def run(words: list[str], folder: Path, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with the package of ``path``."""
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


# Commands


def test_module_runs_the_command_line(tmp_path: Path) -> None:
    found = run(["-m", "electra_core", "check", "electra_paris_15"], tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    assert "ELECTRA_PARIS_15: 3 chargers" in found.stdout


def test_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version
    assert capsys.readouterr().out == f"electra {version[1]}\n"


def test_refusal_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nowhere.json"]) == 1
    assert capsys.readouterr().err.startswith("electra: nowhere.json: 1 fault")


def test_fault_of_this_program_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Any:
        raise ValueError("operands could not be broadcast together")

    monkeypatch.setattr("electra_core.cli.load_config", broken)
    with pytest.raises(ValueError, match="broadcast"):
        main(["check", "electra_paris_15"])


@pytest.mark.parametrize("port", ["99999", "-1", "http", "\u0663"])
def test_port_that_cannot_be_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "a.json", f"--port={port}"])
    assert "a port is a number up to 65535" in capsys.readouterr().err


def test_metrics_are_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "electra_paris_15", "paris_evening"]
    assert main([*words, "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["delivered_kwh"] == pytest.approx(967.3, abs=0.1)
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(metrics)
    assert f"{'delivered_kwh':28} {metrics['delivered_kwh']:,.3f}" in lines


@pytest.mark.parametrize(
    ("words", "library", "extra"),
    [
        (["page"], "voila", "app"),
        (["serve", "electra_paris_15"], "uvicorn", "api"),
        (["simulate", "electra_paris_15", "paris_evening"], "pandas", "simulation"),
    ],
)
def test_missing_library_is_named_with_its_extra(
    tmp_path: Path, words: list[str], library: str, extra: str
) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; from electra_core.cli import main; "
    code += f"sys.exit(main({words}))"
    found = run(["-c", code], tmp_path)
    assert found.returncode == 1
    assert found.stderr == (
        f"electra: {library} is not installed: this command needs pip install 'electra-core[{extra}]'\n"
    )


# The page


@pytest.mark.parametrize(
    ("options", "words", "settings"),
    [
        ([], ["--port=8866"], None),
        (["--port", "9000", "--no-browser"], ["--port=9000", "--no-browser"], None),
        (["--public"], ["--port=8866"], "voila_public.json"),
    ],
)
def test_page_starts_voila_on_the_shipped_notebook(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: list[str],
    words: list[str],
    settings: str | None,
) -> None:
    started: list[list[str]] = []
    voila = types.SimpleNamespace(main=started.append)
    monkeypatch.setitem(sys.modules, "voila", types.ModuleType("voila"))
    monkeypatch.setitem(sys.modules, "voila.app", voila)
    monkeypatch.setenv("ELECTRA_VOILA", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ELECTRA_VOILA")
    assert main(["page", *options]) == 0
    [[notebook, *rest]] = started
    assert rest == words
    assert Path(notebook).is_file()
    assert Path("voila.json").is_file(), "Voila reads its settings in the folder that it starts in"
    assert os.environ.get("ELECTRA_VOILA") == settings
    assert settings is None or Path(settings).is_file()


@pytest.mark.service
def test_page_answers_from_any_folder(tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "electra_core", "page", f"--port={port}", "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60.0
        while True:
            assert process.poll() is None, "it did not start"
            assert time.monotonic() < deadline, "it does not answer"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js") as answer:
                    assert answer.status == 200
                    break
            except OSError:
                time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(20.0)


# Shipped files


def test_shipped_configurations_load_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        assert load_config(name) == load_config(ROOT / "configs" / f"{name}.json")
        assert load_config(Path(name)) == load_config(name)


def test_file_comes_before_a_shipped_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "configs/epfl_level3.json").read_text("utf-8")
    Path("electra_paris_15").write_text(text, "utf-8")
    assert load_config("electra_paris_15") == load_config("epfl_level3")


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("electra_paris")
    assert refused.value.faults == (
        "there is no file 'electra_paris', and no shipped configuration of this name; "
        f"shipped are {', '.join(NAMES)}",
    )


@pytest.mark.parametrize("source", ["electra_paris.json", "configs/electra_paris", "a\0b", "x" * 5000])
def test_missing_path_is_refused_as_a_file(source: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no file|the file cannot be read"):
        load_config(source)


def test_shipped_files_of_a_checkout_lie_at_its_top() -> None:
    for name in ("configs", "notebooks/station.ipynb", "notebooks/compare.ipynb", "voila.json"):
        assert shipped(name) == ROOT / name
        assert shipped(name).exists()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the wheel of this checkout holds."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: no wheel can be built")
    folder = tmp_path_factory.mktemp("wheel")
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}"]
    built = subprocess.run(
        [sys.executable, *words, str(ROOT)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    [archive] = folder.glob("*.whl")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "installed")
    return folder / "installed"


def test_wheel_runs_the_readme_example_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    example = re.search(r"<!-- example -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert example
    code = example[1].replace("configs/electra_paris_15.json", "electra_paris_15")
    found = run(["-c", f"{code}\nimport electra_core; print(electra_core.__file__)"], tmp_path, wheel)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[0] == "{'S0001': 100.0, 'S0002': 100.0}"
    assert Path(lines[-1]).is_relative_to(wheel)


def test_wheel_holds_all_that_is_shipped(wheel: Path, tmp_path: Path) -> None:
    code = """
from electra_core import load_config
from electra_core.cli import main
from electra_core.dashboard import open_station
from electra_core.station import shipped
names = ["voila.json", "voila_public.json", "notebooks/station.ipynb", "notebooks/compare.ipynb"]
assert all(shipped(name).is_file() for name in names)
notebooks = shipped("notebooks")
assert (notebooks / "../configs").resolve() == shipped("configs"), "a notebook finds them beside its folder"
print(*[path.stem for path in sorted(shipped("configs").glob("*.json"))])
print(len(open_station(playing=False).configs))
main(["--version"])
"""
    found = run(["-c", code], tmp_path, wheel)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [" ".join(NAMES), "4", "electra 0.1.0"]
