"""The order of lines: the registry gives each line of a group one position, and every link of every
node gets the lines in that order.

Checked in what nodes write on links.
"""

from typing import TYPE_CHECKING

from chatapp.wire.codec import Kind, unpack_group, unpack_relayed

if TYPE_CHECKING:
    from tests.support.world import World

_LENGTH = 4


class OrderPromise:
    """Checks relayed lines."""

    def __init__(self, world: "World") -> None:
        self._lines: dict[tuple[bytes, int], bytes] = {}
        """What each position of each group has, by the group's tag."""
        self._last: dict[tuple[str, int, bytes], int] = {}
        """The last position that a link was told, by the node's host, the link's number and the
        group."""
        for machine in world.registry.machines:
            machine.written = self.written

    def written(self, host: str, link: int, data: bytes) -> None:
        """Check what a node writes on one of its links."""
        at = 0
        while at < len(data):
            end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH], "big")
            if data[at + _LENGTH] == Kind.GROUP_RELAYED:
                position, frame = unpack_relayed(data[at + _LENGTH : end])
                self._check(host, link, position, frame)
            at = end

    def _check(self, host: str, link: int, position: int, frame: bytes) -> None:
        tag = unpack_group(frame).tag
        known = self._lines.setdefault((tag, position), frame)
        assert known == frame, f"position {position} has one line at {host} and another elsewhere"
        last = self._last.get((host, link, tag), -1)
        assert position > last, f"{host} sent position {position} behind {last}"
        self._last[host, link, tag] = position
