"""The same bytes to many links by few system calls: io_uring of Linux, which Python has no
functions for.

A ring is memory that a process shares with the kernel: a queue of requests and a queue of their
results. Many containers forbid it, and other systems have none. Then each link is written to on its
own.
"""

import ctypes
import errno
import logging
import mmap
import os
import socket
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Final

from chatapp.wire.aio.link import AT_ONCE, TcpLink

_log = logging.getLogger(__name__)

LINKS_MIN: Final = 8
"""Links with nothing waiting from which on a ring is used. For four of them, laying out the
requests costs what the calls would."""

ENTRIES: Final = 256
"""Requests handed over by one call; a power of two. The kernel has room for twice as many
results."""

UNKNOWN: Final = -(2**31)
"""The result of a request that the kernel took and never answered. It is no number of an error."""

_SETUP, _ENTER = 425, 426
"""The numbers of the system calls `io_uring_setup` and `io_uring_enter`, the same on all usual
processors."""

_PARAMETERS: Final = struct.Struct("=10I8IQ8IQ")
"""`struct io_uring_params`: ten numbers, then where what is in the memory of either queue."""

_SINGLE_MMAP, _FAST_POLL = 1 << 0, 1 << 5
_FEATURES: Final = _SINGLE_MMAP | _FAST_POLL
"""Both queues in one piece of memory, and Linux 5.7, which knows all that is used here."""

_REQUESTS_AT: Final = 0x1000_0000
"""Where the requests are mapped from; the queues are at 0."""

_REQUEST: Final = struct.Struct("=BBHiQQIIQ24x")
"""`struct io_uring_sqe`."""

_RESULT_SIZE: Final = 16
"""The size of a `struct io_uring_cqe`: what the request was marked with (8 bytes), its result,
flags (4 bytes each)."""

_SEND: Final = 26
"""`IORING_OP_SEND`."""

_WAIT_FOR_RESULTS: Final = 1
"""`IORING_ENTER_GETEVENTS`."""

_COUNTERS: Final = 0xFFFF_FFFF
"""The counters of the queues rise for ever, modulo 2^32."""


class Ring:
    """Sends the same bytes on many sockets by one call for each `ENTRIES` of them.

    All fields of the requests but two are written once: the socket, and the length. The bytes lie
    in a buffer of our own, which stays where it is.

    Only this process writes requests and reads results, between calls of `io_uring_enter` by the
    same thread. A system call orders memory as a barrier does, so plain reads and writes of the
    counters are enough. Nothing is left in the ring after a call: each request has ended and its
    result was read, so results never overflow, and no request outlives the descriptor that it
    names.
    """

    def __init__(self, system_call: Callable[..., int]) -> None:
        """`system_call`: as `find_system_call` returns it. Raises OSError where the system has no
        ring for us."""
        self._system_call: Final = system_call
        parameters = ctypes.create_string_buffer(_PARAMETERS.size)
        self._descriptor = self._call(_SETUP, ENTRIES, ctypes.addressof(parameters))
        try:
            self._map(_PARAMETERS.unpack(parameters.raw))
        except BaseException:
            os.close(self._descriptor)
            raise
        self._sent = 0
        """Requests up to now: the counter of both queues."""
        self.is_closed = False

    def _map(self, parameters: tuple[int, ...]) -> None:
        """Map the two queues and the requests into our memory, and fill in what never changes."""
        entries, result_entries, _, _, _, features = parameters[:6]
        requests, results = parameters[10:19], parameters[19:28]
        if features & _FEATURES != _FEATURES or entries != ENTRIES:
            raise OSError(errno.ENOSYS, "io_uring is too old")
        order_at, results_at = requests[6], results[5]
        size = max(order_at + 4 * entries, results_at + _RESULT_SIZE * result_entries)
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        queues = mmap.mmap(self._descriptor, size + -size % 8, flags=flags)
        laid_out = mmap.mmap(
            self._descriptor, entries * _REQUEST.size, flags=flags, offset=_REQUESTS_AT
        )
        self._result_entries = result_entries
        self._counters = memoryview(queues).cast("I")
        self._taken_at, self._requested_at = requests[0] // 4, requests[1] // 4
        self._read_at, self._answered_at = results[0] // 4, results[1] // 4
        answers = memoryview(queues)[results_at : results_at + _RESULT_SIZE * result_entries]
        self._marks = answers.cast("Q")
        self._results = answers.cast("i")
        self._requests = memoryview(laid_out).cast("i")
        self._buffer = ctypes.create_string_buffer(AT_ONCE)
        self._data = memoryview(self._buffer).cast("B")
        address, how = ctypes.addressof(self._buffer), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        for place in range(entries):
            self._counters[order_at // 4 + place] = place
            _REQUEST.pack_into(
                laid_out, place * _REQUEST.size, _SEND, 0, 0, -1, 0, address, 0, how, place
            )
        self._memory = (answers, self._counters, self._marks, self._results, self._requests)
        self._maps = (queues, laid_out)

    def close(self) -> None:
        """Give everything back."""
        if not self.is_closed:
            self.is_closed = True
            for view in self._memory:
                view.release()
            for memory in self._maps:
                memory.close()
            os.close(self._descriptor)

    def send(self, data: bytes, descriptors: Sequence[int]) -> list[int]:
        """Send at most `AT_ONCE` bytes on each of these sockets, none of which may be there twice,
        without waiting.

        Return how many bytes each has taken, or the negative number of its error. A ring that the
        kernel does not serve any more closes itself; sockets that it did not come to have taken 0
        bytes.
        """
        self._data[: len(data)] = data
        results: list[int] = []
        while len(results) < len(descriptors):
            if self.is_closed:
                return results + [0] * (len(descriptors) - len(results))
            start = len(results)
            room = ENTRIES - self._sent % ENTRIES  # up to the end of the queue
            results += self._send_some(len(data), array("i", descriptors[start : start + room]))
        return results

    def _send_some(self, size: int, descriptors: "array[int]") -> list[int]:
        """Send what the buffer holds on sockets whose requests lie in the queue without a turn at
        its end."""
        begin, count, at = self._sent, len(descriptors), self._sent % ENTRIES
        step = _REQUEST.size // 4
        self._requests[step * at + 1 : step * (at + count) : step] = descriptors
        self._requests[step * at + 6 : step * (at + count) : step] = array("i", [size]) * count
        self._sent = self._counters[self._requested_at] = (begin + count) & _COUNTERS
        taken, answered = self._wait(begin, count)
        first = begin % self._result_entries
        step = _RESULT_SIZE // 4
        results = self._results[step * first + 2 : step * (first + answered) : step].tolist()
        if results.count(size) < count:
            marks = self._marks[2 * first : 2 * (first + answered) : 2].tolist()
            found = [UNKNOWN] * taken + [0] * (count - taken)
            for mark, result in zip(marks, results, strict=True):
                found[mark - at] = result
            results = found
        self._counters[self._read_at] = self._sent
        if answered < count:
            self.close()
        return results

    def _wait(self, begin: int, count: int) -> tuple[int, int]:
        """Let the kernel carry out the newest `count` requests. Return how many it took, and how
        many of those have ended: all, unless it refuses to go on."""
        taken = 0
        while True:
            try:
                done = self._call(_ENTER, self._descriptor, count - taken, count, _WAIT_FOR_RESULTS)
            except InterruptedError:
                done = 1
            except OSError as error:
                done = 0
                _log.warning("io_uring is given up, so links are written to one by one: %s", error)
            taken = (self._counters[self._taken_at] - begin) & _COUNTERS
            answered = (self._counters[self._answered_at] - begin) & _COUNTERS
            if answered == count or not done:
                return taken, answered

    def _call(self, *arguments: int) -> int:
        """Call the system. Raises OSError."""
        done = self._system_call(*arguments, *[0] * (7 - len(arguments)))
        if done < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return done


def find_system_call() -> Callable[..., int] | None:
    """Return `syscall` of the C library, which takes seven numbers; None where there is none of
    this shape."""
    if sys.platform != "linux":
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError):
        return None
    function.restype, function.argtypes = ctypes.c_long, [ctypes.c_long] * 7
    return function


def open_ring() -> Ring | None:
    """Return a ring; None where the system has none for us."""
    system_call = find_system_call()
    try:
        ring = None if system_call is None else Ring(system_call)
    except OSError as error:
        _log.debug("no io_uring, so links are written to one by one: %s", error)
        return None
    _log.debug("many links are written to %s", "one by one" if ring is None else "by io_uring")
    return ring


class ManyLinks:
    """Writes the same to many links: by a ring where there is one, else to one after the other."""

    def __init__(self) -> None:
        self._ring: Ring | None = None
        self._may_open = True

    def close(self) -> None:
        """Give the ring back. Links are then written to one by one."""
        self._may_open = False
        if self._ring is not None:
            self._ring.close()

    def write(self, links: Sequence[TcpLink], pieces: Sequence[bytes]) -> list[TcpLink]:
        """Write these pieces to each link, as `TcpLink.write` does. Return the links for whose
        readers part of it waits."""
        if len(links) < LINKS_MIN:
            return [link for link in links if not link.write(pieces)]
        data = b"".join(pieces)
        if len(data) > AT_ONCE or not self._has_ring:
            return [link for link in links if not link.write((data,))]
        ready: dict[int, TcpLink] = {}
        others: list[TcpLink] = []
        for link in links:
            descriptor = link.writable_descriptor
            if descriptor is None or descriptor in ready:
                others.append(link)
            else:
                ready[descriptor] = link
        ring = self._usable_ring() if len(ready) >= LINKS_MIN else None
        if ring is None:
            return [link for link in links if not link.write((data,))]
        taken = ring.send(data, list(ready))
        behind: list[TcpLink] = []
        if taken.count(len(data)) < len(taken):
            behind = [
                link
                for link, sent in zip(ready.values(), taken, strict=True)
                if not _go_on(link, data, sent)
            ]
        return behind + [link for link in others if not link.write((data,))]

    @property
    def _has_ring(self) -> bool:
        """Whether there is a ring, or may be."""
        return self._may_open or (self._ring is not None and not self._ring.is_closed)

    def _usable_ring(self) -> Ring | None:
        """Return the ring, opened at its first use; None where there is none, or none any more."""
        if self._may_open:
            self._may_open, self._ring = False, open_ring()
        return None if self._ring is None or self._ring.is_closed else self._ring


def _go_on(link: TcpLink, data: bytes, sent: int) -> bool:
    """Write what a ring left of `data`. Return False if part of it waits for the reader."""
    if sent == UNKNOWN:  # nobody can say where to go on
        link.cut("the system did not say how much it sent")
        return True
    return link.write_rest(
        data, max(sent, 0)
    )  # the transport will meet an error itself, and report it
