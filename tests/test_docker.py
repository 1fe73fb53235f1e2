"""The container's files: what they copy exists, and their commands run in a folder with nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from stations import ROOT

from electra_core.cli import parser

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
COPIED = [name for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]]


def words_of(instruction: str) -> list[str]:
    """Return the last command of a kind, as a list of words."""
    found = re.findall(rf"{instruction} (\[.*\])", DOCKERFILE)[-1]
    return list(json.loads(found))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the image has."""
    folder = tmp_path_factory.mktemp("app")
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    return folder


def test_copied_files_are_in_the_context_of_the_build() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[0] == "!"}
    assert set(COPIED) == let_in


def test_image_does_not_run_as_root() -> None:
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)


def test_service_finds_its_configuration_in_the_image(image: Path) -> None:
    command = words_of("CMD")
    assert command[0] == "electra"
    wanted = parser().parse_args(command[1:])
    assert wanted.host == "0.0.0.0"
    checked = subprocess.run(
        [sys.executable, "-m", "electra_core", "check", wanted.config],
        cwd=image,
        env={**os.environ, "PYTHONPATH": str(image)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "all is well" in checked.stdout


def test_health_checks_compile_and_ask_this_machine() -> None:
    asked = [words_of("HEALTHCHECK.*?CMD")[-1], COMPOSE["services"]["page"]["healthcheck"]["test"][-1]]
    for program in asked:
        compile(program, "healthcheck", "exec")
        assert "http://127.0.0.1:" in program


def test_compose_publishes_to_this_machine_alone(image: Path) -> None:
    services = COMPOSE["services"]
    assert set(services) == {"station", "page"}
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    page = services["page"]
    assert (image / page["command"][1]).is_file()
    assert (image / page["environment"]["ELECTRA_VOILA"]).is_file()
