"""Arguments of plotly's ``update``, so that figures are changed in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Values of a trace that does not name them.
DEFAULTS = {"visible": True}


def changes_of(
    traces: Sequence[Mapping[str, Any]],
    layout: Mapping[str, Any],
    *,
    of_traces: Sequence[str],
    of_axes: Sequence[str],
    of_notes: Sequence[str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the changes of traces and of the layout.

    Parameters
    ----------
    traces, layout : the figure as it is to be, with the traces that it has, in their order
    of_traces, of_axes, of_notes : the keys that may change in a trace, an axis, an annotation
    """
    changes: dict[str, Any] = {"height": layout["height"]}
    for axis in (name for name in layout if "axis" in name):
        changes |= {f"{axis}.{key}": layout[axis][key] for key in of_axes if key in layout[axis]}
    for number, note in enumerate(layout["annotations"]):
        changes |= {f"annotations[{number}].{key}": note[key] for key in of_notes}
    return {key: [trace.get(key, DEFAULTS.get(key)) for trace in traces] for key in of_traces}, changes
