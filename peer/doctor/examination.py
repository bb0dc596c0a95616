"""The examination of an open peer: everything that the doctor can find out through it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from chatapp.peer.api import events
from chatapp.peer.api.findings import Check, Finding, Trouble, clock_finding, path_finding
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.core import PeerCore
from chatapp.peer.doctor.probes import probe_disk, probe_privacy, probe_servers
from chatapp.wire.names import PeerName, is_same_name

_REFUSALS: Final = {
    events.NameUnavailable: Trouble.NAME_TAKEN,
    events.AdmissionRefused: Trouble.NOT_ADMITTED,
}


class Examined(Protocol):
    """What the doctor needs of an open peer."""

    @property
    def core(self) -> PeerCore:
        """Its core."""

    @property
    def name(self) -> PeerName:
        """Its name."""

    @property
    def folder(self) -> Path:
        """Its folder."""

    def now(self) -> float:
        """Return the time."""

    def schedule(self) -> None:
        """Have a turn soon."""

    async def until(self, is_so: Callable[[PeerCore], bool]) -> None:
        """Wait until this is so. Raises NotOpen."""


async def examine(node: Examined) -> list[Finding]:
    """Look at the way to the registry, at our name there, at our clock and at our disk."""
    held = node.core.registry.trust.key().held or None
    findings = await probe_servers(node.core.registry.servers.in_order(), known_key=held)
    refusal = node.core.not_let_in
    if refusal is not None and type(refusal) in _REFUSALS:
        findings.append(
            Finding(check=Check.NAME, trouble=_REFUSALS[type(refusal)], subject=node.name)
        )
    elif node.core.clock_offset is not None:
        findings.append(Finding(check=Check.NAME, subject=node.name))
    if node.core.clock_offset is not None:
        findings.append(clock_finding(node.core.clock_offset))
    return [*findings, probe_disk(node.folder), probe_privacy(node.folder)]


async def examine_person(node: Examined, name: str) -> list[Finding]:
    """Look at a person: known, online, with the key that we know, and in reach directly and through
    the registry. Where the registry is not in reach, the way to it comes first."""
    findings: list[Finding] = []
    if node.core.reach is not RegistryReach.UP:
        findings = await examine(node)
    person = next((one for one in node.core.people() if is_same_name(one.name, name)), None)
    if person is None:
        return [*findings, Finding(check=Check.PERSON, trouble=Trouble.UNKNOWN, subject=name)]
    trouble = None
    if person.is_banned:
        trouble = Trouble.BANNED
    elif node.core.is_key_in_doubt(person.name):
        trouble = Trouble.KEY_CHANGED
    elif not person.online:
        trouble = Trouble.AWAY
    findings.append(Finding(check=Check.PERSON, trouble=trouble, subject=person.name))
    if (
        trouble not in (None, Trouble.AWAY)
        or is_same_name(person.name, node.name)
        or node.core.is_offline
    ):
        return findings
    node.core.direct.test_paths(person.name, now=node.now())
    node.schedule()
    await node.until(
        lambda core: core.direct.path_result(person.name) is not None or core.is_offline
    )
    result = node.core.direct.path_result(person.name)
    if result is not None:
        findings.append(path_finding(Check.DIRECT, person.name, result.direct))
    if result is not None and result.is_relay_tried:
        findings.append(path_finding(Check.RELAY, person.name, result.relayed))
    return findings
