"""Kernels for many visitors of the page: a bound on their number, an early end, checked connections.

Voila takes both classes by their names in `voila.json`. It makes its own kernel manager as a subclass of
`VisitorKernels`, with a pool of warm kernels or without.
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
    """A kernel manager with a bound on visitors, whose kernels end soon after their page is closed.

    Attributes
    ----------
    max_kernels : visitors at once, 0 for no bound; warm kernels in the pool come on top
    connect_within_s : a visitor's kernel ends when no page has connected to it by then
    reconnect_within_s : a kernel that lost its page ends when none has connected again by then
    """

    max_kernels = Integer(0, min=0, config=True, help="Visitors at once; 0 for no bound.")
    # As long as the page itself waits for something to paint (page.js).
    connect_within_s = Float(120.0, min=0.0, config=True, help="Seconds for a page to connect.")
    reconnect_within_s = Float(10.0, min=0.0, config=True, help="Seconds for a page to connect again.")

    def __init__(self, **kwargs: Any) -> None:
        self._visitors: set[str] = set()  # kernels given to visitors
        self._starting = 0  # visitors without a kernel yet
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._shutdowns: set[asyncio.Task[None]] = set()
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Count the visitors that Voila's subclass serves from its pool."""
        super().__init_subclass__(**kwargs)
        take = cls.__dict__.get("get_rendered_notebook")
        if take:
            setattr(cls, take.__name__, _counted(take))

    async def start_kernel(self, **kwargs: Any) -> str:  # type: ignore[override]
        """Start a kernel, for a visitor or for the pool."""
        if (kwargs.get("env") or {}).get("VOILA_PREHEAT") == "True":
            return str(await super().start_kernel(**kwargs))
        with self._admission():
            kernel_id = str(await super().start_kernel(**kwargs))
            self._give(kernel_id)
        return kernel_id

    def visitors(self) -> int:
        """Return the number of visitors that have a kernel or wait for one."""
        self._visitors.intersection_update(self.list_kernel_ids())
        return len(self._visitors) + self._starting

    @contextmanager
    def _admission(self) -> Iterator[None]:
        """Count a visitor while its kernel starts; refuse one too many."""
        if 0 < self.max_kernels <= self.visitors():
            raise HTTPError(503, f"All {self.max_kernels} stations are taken; try again in a minute.")
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1

    def _give(self, kernel_id: str) -> None:
        self._visitors.add(kernel_id)
        self._end_in(self.connect_within_s, kernel_id)

    def notify_connect(self, kernel_id: str) -> None:
        """Let a kernel live on: a page has connected."""
        super().notify_connect(kernel_id)  # type: ignore[no-untyped-call]
        self._cancel_end(kernel_id)

    def notify_disconnect(self, kernel_id: str) -> None:
        """End a kernel soon: its page is closed, or its network is lost and may come back."""
        super().notify_disconnect(kernel_id)  # type: ignore[no-untyped-call]
        if self._kernel_connections.get(kernel_id, 0) <= 0:
            self._end_in(self.reconnect_within_s, kernel_id)

    def _cancel_end(self, kernel_id: str) -> None:
        timer = self._timers.pop(kernel_id, None)
        if timer:
            timer.cancel()

    def _end_in(self, seconds: float, kernel_id: str) -> None:
        self._cancel_end(kernel_id)
        if kernel_id in self:
            loop = asyncio.get_running_loop()
            self._timers[kernel_id] = loop.call_later(seconds, self._end, kernel_id)

    def _end(self, kernel_id: str) -> None:
        """End a kernel, unless a page is connected."""
        self._timers.pop(kernel_id, None)
        # The server may count one closed connection twice: its sockets say whether one is open.
        sockets = ZMQChannelsWebsocketConnection._open_sockets
        if kernel_id not in self or any(socket.kernel_id == kernel_id for socket in sockets):
            return
        task = asyncio.ensure_future(self._shut_down(kernel_id))
        self._shutdowns.add(task)
        task.add_done_callback(self._shutdowns.discard)

    async def _shut_down(self, kernel_id: str) -> None:
        self.log.info("Kernel %s has no page and is shut down", kernel_id)
        try:
            # At once: it holds nothing to save, and a busy one would take its time.
            await ensure_async(self.shutdown_kernel(kernel_id, now=True))  # type: ignore[no-untyped-call]
        except (HTTPError, KeyError, RuntimeError) as error:  # its page has shut it down in the meantime
            self.log.debug("Kernel %s: %s", kernel_id, error)


class CheckedConnection(ZMQChannelsWebsocketConnection):
    """A visitor's connection that accepts only messages whose parts lie inside them.

    A message begins with the number of its parts, which the server does not check: eight bytes would keep it
    counting, with all visitors waiting, until its memory is full. Voila reads messages of the older protocol,
    which current browsers do not ask for, as if they were of this one, with the same result.
    """

    async def prepare(self) -> None:
        """Refuse the older protocol."""
        offered = self.websocket_handler.request.headers.get("Sec-WebSocket-Protocol", "")
        if PROTOCOL not in [each.strip() for each in offered.split(",")]:
            raise HTTPError(400, "This server speaks another protocol.")
        await super().prepare()  # type: ignore[no-untyped-call]

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Handle a message, or close the connection on a malformed one."""
        if isinstance(incoming_msg, bytes) and well_formed(incoming_msg):
            super().handle_incoming_message(incoming_msg)  # type: ignore[arg-type]
        else:
            self.log.warning("Kernel %s: a malformed message", self.kernel_id)
            self.websocket_handler.close(1002)

    def _on_error(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> None:
        """Replace the text of an error where `allow_tracebacks` is off.

        The method of jupyter_server 2.21 raises here, and its connection then receives nothing more.
        """
        if channel != "iopub" or self.multi_kernel_manager.allow_tracebacks:
            return
        msg["header"] = self.get_part("header", msg["header"], msg_list)  # type: ignore[no-untyped-call]
        if msg["header"]["msg_type"] == "error":
            words = self.multi_kernel_manager.traceback_replacement_message
            msg["content"] = {"ename": "ExecutionError", "evalue": "Execution error", "traceback": [words]}
            msg_list[3] = self.session.pack(msg["content"])


def well_formed(message: bytes) -> bool:
    """Return whether the parts of a message follow each other and lie inside it."""
    count = int.from_bytes(message[:8], "little")
    start = 8 * (count + 1)
    if not 6 <= count <= MAX_PARTS or start > len(message):  # channel, four parts, the end
        return False
    bounds = [int.from_bytes(message[at : at + 8], "little") for at in range(8, start, 8)]
    return bounds == sorted(bounds) and bounds[0] >= start and bounds[-1] <= len(message)


def _counted(take: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Wrap the method by which Voila serves a warm kernel: count and bound its visitors."""

    async def get_rendered_notebook(self: VisitorKernels, *args: Any, **kwargs: Any) -> Any:
        with self._admission():
            found = await take(self, *args, **kwargs)
            self._give(found[2])
        return found

    return get_rendered_notebook
