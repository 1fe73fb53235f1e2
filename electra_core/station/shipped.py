"""Files that travel with the package: configurations, the pages' notebooks, and how Voila serves them."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder.

    An installed package has it in its ``data``; in a checkout it lies at the top of the repository.

    Parameters
    ----------
    name : path from there: ``configs``, ``notebooks/station.ipynb``, ``voila.json``
    """
    installed = PACKAGE / "data" / name
    return installed if installed.exists() else PACKAGE.parent / name


def shipped_configs() -> dict[str, Path]:
    """Return the files of the shipped configurations by their names: the files' stems, sorted."""
    return {path.stem: path for path in sorted(shipped("configs").glob("*.json"))}
