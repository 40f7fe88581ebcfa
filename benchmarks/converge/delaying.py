"""What makes a host farther away: a proxy for its SSH that keeps every byte for half a round trip.

There is no netem here. What it cannot do is what the kernel does by itself: an acknowledgement
comes back at once, so whoever waits for those (Nagle's algorithm) waits less than on a real line. A
connection is answered one round trip late, as a handshake would be.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

CHUNK_BYTES = 1 << 16
READY_S = 10


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int


Chunks = asyncio.Queue[tuple[float, bytes]]
"""Each with the time from which on it may go on; an empty one is the end."""


class Proxy:
    """From where each host seems to be to where it is, with ``added_s`` seconds a round trip."""

    def __init__(self, routes: Mapping[Address, Address], added_s: float) -> None:
        """Nothing listens yet."""
        self._routes, self._added_s = routes, added_s
        self._end = asyncio.Event()
        self.carried: set[asyncio.Task[None]] = set()
        """Held here while they last: a loop alone lets go of a task that only waits."""

    async def serve(self, ready: Callable[[], None]) -> None:
        """Listen until ``stop``; ``ready`` is called once connections are taken."""
        servers = [
            await asyncio.start_server(partial(self._accept, target), *at)
            for at, target in self._routes.items()
        ]
        ready()
        await self._end.wait()
        for server in servers:
            server.close()
        for task in self.carried:
            task.cancel()
        await asyncio.gather(*self.carried, return_exceptions=True)

    def stop(self) -> None:
        """End all connections, and ``serve``; from its own loop."""
        self._end.set()

    def _accept(
        self, target: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(target, reader, writer))
        self.carried.add(task)
        task.add_done_callback(self.carried.discard)

    async def _carry(
        self, target: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection, to its end on both sides."""
        try:
            await asyncio.sleep(self._added_s)
            far_reader, far_writer = await asyncio.open_connection(*target)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass(reader, far_writer))
                    both.create_task(self._pass(far_reader, writer))
            finally:
                far_writer.close()
        except* OSError:
            pass  # one side went away, so does the other
        finally:
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: what is read meanwhile waits beside, so no bandwidth is lost."""
        chunks: Chunks = asyncio.Queue()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._take(reader, chunks))
            both.create_task(_give(chunks, writer))

    async def _take(self, reader: asyncio.StreamReader, chunks: Chunks) -> None:
        loop, chunk = asyncio.get_running_loop(), b"?"
        while chunk:
            chunk = await reader.read(CHUNK_BYTES)
            chunks.put_nowait((loop.time() + self._added_s / 2, chunk))


async def _give(chunks: Chunks, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due_s, chunk = await chunks.get()
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        if not chunk:
            writer.write_eof()
            return
        writer.write(chunk)
        await writer.drain()


@contextmanager
def delaying(routes: Mapping[Address, Address], added_s: float) -> Iterator[Proxy]:
    """The proxy in a thread of its own. Raises what keeps it from listening."""
    proxy, ready = Proxy(routes, added_s), threading.Event()
    loop, failed = asyncio.new_event_loop(), list[BaseException]()

    def serve() -> None:
        try:
            loop.run_until_complete(proxy.serve(ready.set))
        except OSError as error:
            failed.append(error)
            ready.set()
        finally:
            loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        if not ready.wait(READY_S) or failed:
            raise failed[0] if failed else TimeoutError("the proxy did not begin to listen")
        yield proxy
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(proxy.stop)
        thread.join()
