"""The kernels of the page's visitors: not more than a machine carries, and none that nobody looks at.

Voila takes both classes by their names in `voila.json`, and makes its own manager out of ours, with a pool of
warm kernels or without. docs/serving.md says what was measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import Float, Integer

PROTOCOL = "v1.kernel.websocket.jupyter.org"
MAX_PARTS = 1000  # of one message; the page sends fewer than ten


class VisitorKernels(AsyncMappingKernelManager):
    """Kernels with a bound on their number, which end soon after their page is gone.

    Attributes
    ----------
    most_kernels : visitors at once, 0 for no bound; warm kernels that wait in the pool come on top
    goodbye_s : a kernel whose page was connected ends when it has had no connection for so long
    welcome_s : a kernel that was given to a visitor ends when no page has connected by then
    """

    most_kernels = Integer(0, min=0, config=True, help="Visitors at once; 0 for no bound.")
    goodbye_s = Float(10.0, min=0.0, config=True, help="Seconds without a connection until a kernel ends.")
    # As long as the page itself waits for something to paint (page.js).
    welcome_s = Float(120.0, min=0.0, config=True, help="Seconds until a page has to have connected.")

    def __init__(self, **kwargs: Any) -> None:
        self._visitors: set[str] = set()  # kernels that somebody was given
        self._arriving = 0  # visitors whose kernel is on its way
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Have every visitor counted who gets a kernel from the pool; Voila's subclass makes the pool."""
        super().__init_subclass__(**kwargs)
        take = cls.__dict__.get("get_rendered_notebook")
        if take:
            setattr(cls, take.__name__, _counted(take))

    async def start_kernel(self, **kwargs: Any) -> str:  # type: ignore[override]
        """Start a kernel, for a visitor or for the pool."""
        if (kwargs.get("env") or {}).get("VOILA_PREHEAT") == "True":
            return str(await super().start_kernel(**kwargs))
        with self._place():
            kernel_id = str(await super().start_kernel(**kwargs))
            self._give(kernel_id)
        return kernel_id

    def visitors(self) -> int:
        """How many have a kernel or wait for one."""
        self._visitors.intersection_update(self.list_kernel_ids())
        return len(self._visitors) + self._arriving

    @contextmanager
    def _place(self) -> Iterator[None]:
        if 0 < self.most_kernels <= self.visitors():
            raise HTTPError(503, f"All {self.most_kernels} stations are taken; try again in a minute.")
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    def _give(self, kernel_id: str) -> None:
        self._visitors.add(kernel_id)
        self._end_in(self.welcome_s, kernel_id)

    def notify_connect(self, kernel_id: str) -> None:
        """A page is there."""
        super().notify_connect(kernel_id)  # type: ignore[no-untyped-call]
        self._keep(kernel_id)

    def notify_disconnect(self, kernel_id: str) -> None:
        """A page has gone, or its network has; it may come back."""
        super().notify_disconnect(kernel_id)  # type: ignore[no-untyped-call]
        if not self._connected(kernel_id):
            self._end_in(self.goodbye_s, kernel_id)

    def _connected(self, kernel_id: str) -> bool:
        return bool(self._kernel_connections.get(kernel_id, 0) > 0)

    def _keep(self, kernel_id: str) -> None:
        timer = self._ends.pop(kernel_id, None)
        if timer:
            timer.cancel()

    def _end_in(self, seconds: float, kernel_id: str) -> None:
        self._keep(kernel_id)
        if kernel_id in self:
            loop = asyncio.get_running_loop()
            self._ends[kernel_id] = loop.call_later(seconds, self._end, kernel_id)

    def _end(self, kernel_id: str) -> None:
        """End a kernel that nobody has come back to."""
        self._ends.pop(kernel_id, None)
        # The server counts a connection out twice when it closes in an odd moment: look at the sockets too.
        sockets = ZMQChannelsWebsocketConnection._open_sockets
        if kernel_id not in self or any(socket.kernel_id == kernel_id for socket in sockets):
            return
        task = asyncio.ensure_future(self._shut(kernel_id))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _shut(self, kernel_id: str) -> None:
        self.log.info("Nobody looks at kernel %s", kernel_id)
        try:
            # At once: it holds nothing to save, and one that is busy would take its time.
            await ensure_async(self.shutdown_kernel(kernel_id, now=True))  # type: ignore[no-untyped-call]
        except (HTTPError, KeyError, RuntimeError) as error:  # its page said goodbye in the meantime
            self.log.debug("Kernel %s: %s", kernel_id, error)


class CheckedConnection(ZMQChannelsWebsocketConnection):
    """A visitor's connection that hears only messages whose parts lie where they say.

    A message begins with the number of its parts, and the server takes any number for true: eight bytes would
    keep it counting, for all its visitors, until its memory is full. Voila reads messages of the older
    protocol, which no browser of today asks for, as if they were of this one, with the same end.
    """

    async def prepare(self) -> None:
        """Refuse the older protocol."""
        offered = self.websocket_handler.request.headers.get("Sec-WebSocket-Protocol", "")
        if PROTOCOL not in [each.strip() for each in offered.split(",")]:
            raise HTTPError(400, "This server speaks another protocol.")
        await super().prepare()  # type: ignore[no-untyped-call]

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Hear a message, or end the connection."""
        if isinstance(incoming_msg, bytes) and well_formed(incoming_msg):
            super().handle_incoming_message(incoming_msg)  # type: ignore[arg-type]
        else:
            self.log.warning("Kernel %s: a message that is none", self.kernel_id)
            self.websocket_handler.close(1002)

    def _on_error(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> None:
        """Send an error without what it says, where `allow_tracebacks` is off.

        The server's own (jupyter_server 2.21) fails on it, and the connection hears nothing from then on.
        """
        if channel != "iopub" or self.multi_kernel_manager.allow_tracebacks:
            return
        msg["header"] = self.get_part("header", msg["header"], msg_list)  # type: ignore[no-untyped-call]
        if msg["header"]["msg_type"] == "error":
            words = self.multi_kernel_manager.traceback_replacement_message
            msg["content"] = {"ename": "ExecutionError", "evalue": "Execution error", "traceback": [words]}
            msg_list[3] = self.session.pack(msg["content"])


def well_formed(message: bytes) -> bool:
    """Whether the parts of a message follow each other and lie inside it."""
    count = int.from_bytes(message[:8], "little")
    start = 8 * (count + 1)
    if not 6 <= count <= MAX_PARTS or start > len(message):  # channel, four parts, the end
        return False
    bounds = [int.from_bytes(message[at : at + 8], "little") for at in range(8, start, 8)]
    return bounds == sorted(bounds) and bounds[0] >= start and bounds[-1] <= len(message)


def _counted(take: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Voila's way to a warm kernel, for not more than there is room for."""

    async def get_rendered_notebook(self: VisitorKernels, *args: Any, **kwargs: Any) -> Any:
        with self._place():
            found = await take(self, *args, **kwargs)
            self._give(found[2])
        return found

    return get_rendered_notebook
