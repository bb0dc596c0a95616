"""Carrying out: each effect that the service decided on becomes bytes in a queue, or waits for the disk.

It knows effects and promises.
"""

import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

from chatapp.registry.effects import (
    Admit,
    AnswerAdmin,
    CheckAlive,
    Disconnect,
    Drop,
    Effect,
    Fault,
    LinkEnded,
    NameChanged,
    Offer,
    Persist,
    Push,
    Refuse,
    Relay,
    RelayTo,
    Renamed,
    Reply,
    Resume,
    SendDatagram,
    ShowOnConsole,
    StoreFailed,
)
from chatapp.registry.limits import RegistryPolicy
from chatapp.registry.outputs import CommitBarrier, Outputs, TableBroadcaster
from chatapp.registry.service import Service
from chatapp.registry.store.entries import Entry
from chatapp.registry.transport.sessions import Sessions
from chatapp.wire.identity import Identity


class Execution(Outputs):
    """The queues, and what fills them."""

    def __init__(
        self,
        identity: Identity,
        sessions: Sessions,
        service: Service,
        policy: RegistryPolicy,
        *,
        link_port: int,
        links_max: int,
    ) -> None:
        super().__init__(identity, sessions, policy, link_port=link_port, links_max=links_max)
        self._service = service
        self._barrier = CommitBarrier()
        self._news = TableBroadcaster(service.directory, identity, policy)

    # --- the disk

    def entries_to_store(self) -> list[Entry]:
        """Drained, in order. The shell appends and syncs them, then calls one of the next two."""
        return self._barrier.entries_to_store()

    def entries_stored(self, count: int, *, now: float) -> None:
        """The oldest `count` entries on their way are on the disk."""
        self._service.disk.is_full = False
        self._carry_out(self._barrier.stored(count), now)
        self._settle(now)

    def store_failed(
        self, reason: str, *, newest: int | None = None, is_full: bool = False, now: float
    ) -> None:
        """The newest `newest` entries on their way (all, for None) will never be on the disk, for want of room or for
        another reason."""
        self._service.disk.is_full = is_full
        self._note(StoreFailed(reason=reason))
        self._carry_out(self._barrier.failed(newest), now)
        self._settle(now)

    # --- carrying out

    def _carry_out(self, effects: Iterable[Effect], now: float) -> None:
        """Each behind a fence: a fault of ours in one effect must not cost the effects behind it, which may be others'."""
        for effect in effects:  # the most frequent first: each case costs a look at the class
            try:
                match effect:
                    case Reply():
                        self._reply(effect.to, effect.message)
                    case Persist():
                        if at_once := self._barrier.add(effect):
                            self._carry_out(at_once, now)
                    case Resume():
                        self._carry_out(self._service.handle(effect.request, effect.to, now=now), now)
                    case Push():
                        self._push(effect.link, effect.message)
                    case Relay():
                        self._links.relay(effect.frame, sender=effect.sender)
                    case RelayTo():
                        self._links.relay_to(effect.frame, effect.links, sender=effect.sender)
                    case Offer():
                        self._offer(effect)
                    case Drop():
                        self._drop(effect.reason)
                    case _:
                        self._carry_out_rare(effect, now)
            except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
                self._note_fault(error)

    def _carry_out_rare(
        self,
        effect: SendDatagram
        | CheckAlive
        | Admit
        | Renamed
        | Refuse
        | Disconnect
        | ShowOnConsole
        | AnswerAdmin,
        now: float,
    ) -> None:
        match effect:
            case CheckAlive():
                self._service.check_alive(effect.identity, now=now)
            case SendDatagram():
                self._tell(effect.identity, effect.address, effect.message, now)
            case Admit():
                clock = self._service.clock.millis(now)
                self._welcome(effect, table_version=self._service.directory.version, clock=clock, now=now)
            case Renamed():
                self._note(NameChanged(before=effect.before, name=effect.card.name))
            case Refuse():
                self._deny(effect)
            case Disconnect():
                self._links.end(effect.link, effect.reason)
            case ShowOnConsole():
                self._console_lines += effect.lines
            case AnswerAdmin():
                self._answers.append((effect.ticket, effect.answer))
            case _:
                assert_never(effect)

    def _note_fault(self, error: Exception) -> None:
        self._drop("fault of ours")
        steps = traceback.extract_tb(error.__traceback__)
        self._note(
            Fault(
                reason=repr(error), places=tuple(f"{Path(one.filename).name}:{one.lineno}" for one in steps)
            )
        )

    def _settle(self, now: float) -> None:
        """After each input: whoever's link we ended is away, and what changed in the table is news."""
        while ended := self._links.ended():  # what follows may end others
            for link, reason in ended:
                self._note(LinkEnded(address=link.remote, reason=reason))
                self._carry_out(self._service.link_lost(link.identity, link.number, now=now), now)
        self._news.notice(now=now)
