"""Bands of the stack of sessions, and with them the colour of each connector on the whole page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from electra_core.dashboard.figures.colours import BANDS

ConnectorId = tuple[str, int]

TO = " to "


def grouped(connector_ids: Sequence[ConnectorId]) -> list[list[ConnectorId]]:
    """Return the connectors of each band: one each, or a charger's where they are many, or some chargers'.

    More bands than there are colours could not be told apart.
    """
    if len(connector_ids) <= len(BANDS):
        return [[each] for each in connector_ids]
    chargers: dict[str, list[ConnectorId]] = {}
    for each in connector_ids:
        chargers.setdefault(each[0], []).append(each)
    parts = list(chargers.values())
    size = -(-len(parts) // len(BANDS))
    starts = range(0, len(parts), size)
    return [[each for part in parts[start : start + size] for each in part] for start in starts]


def band_names(connector_ids: Sequence[ConnectorId], labels: Sequence[str]) -> list[str]:
    """Return the name of each band: a connector's label, a charger, or the first and the last of some."""
    groups = grouped(connector_ids)
    if len(groups) == len(connector_ids) <= len(BANDS):
        return list(labels)
    ends = [(escape(group[0][0]), escape(group[-1][0])) for group in groups]
    return [first if first == last else f"{first}{TO}{last}" for first, last in ends]


def connector_colours(connector_ids: Sequence[ConnectorId]) -> dict[ConnectorId, str]:
    """Return the colour of each connector: its band's."""
    return {each: BANDS[number] for number, group in enumerate(grouped(connector_ids)) for each in group}
