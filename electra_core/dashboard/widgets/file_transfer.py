"""Buttons that save, fields that load.

`ipywidgets.FileUpload` would send a file of any size before it can be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import anywidget
from traitlets import Int, List, Unicode

# Bound of an upload; `file_transfer.js` refuses more before it is sent.
MAX_BYTES = 5_000_000
# What the page can draw and a person can read.
MAX_DRAWN_CONNECTORS = 60


class Files(anywidget.AnyWidget):
    """A list of fields that load files, buttons that save them, and links.

    Parameters
    ----------
    items : each with its ``kind`` (``load``, ``save``, ``link``), ``label``, ``what`` and ``accept``
    load : called with ``what``, name and content of a file; returns words for the visitor
    save : called with ``what``; returns name, type and content, or None where there is nothing
    """

    _esm = resources.files("electra_core.dashboard.widgets").joinpath("file_transfer.js").read_text("utf-8")

    items = List().tag(sync=True)  # type: ignore[var-annotated]
    max_bytes = Int(MAX_BYTES).tag(sync=True)
    query = Unicode("").tag(sync=True)

    def __init__(
        self,
        items: Sequence[dict[str, str]],
        load: Callable[[str, str, bytes], str] = lambda what, name, content: "",
        save: Callable[[str], tuple[str, str, bytes] | None] = lambda what: None,
    ) -> None:
        super().__init__(items=list(items))
        self._load, self._save = load, save
        self.on_msg(lambda _, message, buffers: self.receive(message, buffers))

    def receive(self, message: Any, buffers: Sequence[Any]) -> None:
        """Answer a message of the browser. A visitor can send anything: malformed messages are ignored."""
        if not isinstance(message, dict):
            return
        what, name = message.get("what"), message.get("name", "")
        if not isinstance(what, str) or not isinstance(name, str):
            return
        if message.get("kind") == "load" and buffers:
            self.send({"kind": "words", "said": self._load(what, name[:200], bytes(buffers[0]))})
        elif message.get("kind") == "save":
            self._send_file(what)

    def _send_file(self, what: str) -> None:
        found = self._save(what)
        if found is None:
            self.send({"kind": "words", "said": "There is nothing to save."})
            return
        name, mime, content = found
        self.send({"kind": "file", "name": name, "mime": mime, "said": f"{name} saved."}, [content])
