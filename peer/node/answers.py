"""What an open peer of this program does for each request: one table."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from chatapp.peer.api import events, requests
from chatapp.peer.api.conversations import DESK, Conversation, room
from chatapp.peer.api.errors import (
    ChangeRefusal,
    ChangeRefused,
    DeskFileRefusal,
    DeskFileRefused,
    NameTaken,
    NotAdmitted,
    NotAnswered,
    NotLetIn,
    OtherRegistry,
)
from chatapp.peer.api.events import MessageState, Said
from chatapp.peer.api.findings import Check, Finding, Trouble, clock_finding, path_finding
from chatapp.peer.api.past import (
    VERSION_SHOWN,
    VERSIONS_SHOWN,
    ConversationState,
    DeliveryTrace,
    FoundLine,
    FoundLines,
    Lines,
    Unshown,
    Version,
)
from chatapp.peer.api.requests import PAGE_MAX, Moment, Outcome, Request, Sending, Sent
from chatapp.peer.api.trace import Raw, readable, unpacked
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.conversation import check_length
from chatapp.peer.core.desk.files import WITHIN, DeskDownload, DeskUpload
from chatapp.peer.core.desk.operator import VisitTarget
from chatapp.peer.core.records import DEAD, FINAL, Related, RelationKind
from chatapp.peer.core.registry.session import State
from chatapp.peer.core.relations import offered_file
from chatapp.peer.history.query import (
    UNREAD_MAX,
    MessageQueries,
    StoredLine,
    identity_of,
    shown,
)
from chatapp.peer.node.keystore import NameHasKeys
from chatapp.peer.node.receipts import sent_of
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import CHANGED_WITHIN_MS
from chatapp.wire.messages.direct import is_emoji
from chatapp.wire.messages.table import By
from chatapp.wire.names import is_same_name, name_key

DRAFTS_MAX: Final = 256
"""Conversations in which the user has begun to type something: the windows of one person."""

if TYPE_CHECKING:
    from chatapp.peer.node.local import PeerNode
    from chatapp.peer.node.receipts import Receipt


# --- messages, and what can be waited for


async def begin(node: "PeerNode", request: Sending) -> "Receipt":
    """Begin a message that is something to another one. Raises as the request."""
    match request:
        case requests.Send(conversation=where, text=text, reply_to=id_) if id_ is not None:
            line, conversation = await _line_to_change(node, id_)
            if identity_of(conversation) != identity_of(where):
                raise ChangeRefused(ChangeRefusal.ELSEWHERE)
            related = _related(line, RelationKind.REPLY)
            return await node.say(where, text, related, asked=request)
        case requests.Send(conversation=where, text=text):
            return await node.say(where, text, asked=request)
        case requests.Edit(id=id_, text=text):
            line, where = await _line_of_ours(node, id_)
            if offered_file(line.related) is not None:
                raise ChangeRefused(ChangeRefusal.IS_FILE)
            related = _related(line, RelationKind.EDIT)
            if node.core.reword(line.stream, line.number, text):
                return node.reworded(shown(line, node.name), text, related, asked=request)
            return await node.say(where, text, related, asked=request)
        case requests.Retract(id=id_) | requests.Cancel(id=id_):
            line, where = await _line_of_ours(node, id_)
            is_settled = line.state not in (MessageState.UNSETTLED, MessageState.KEPT)
            if isinstance(request, requests.Cancel) and is_settled:
                raise ChangeRefused(ChangeRefusal.SETTLED)
            if offered_file(line.related) is not None:
                node.files.withdraw(id_)
            if isinstance(request, requests.Cancel) and node.core.cancel(
                line.stream, line.number, now=node.now()
            ):
                return node.cancelled(where, id_, asked=request)
            return await node.say(where, "", _related(line, RelationKind.RETRACT), asked=request)
        case requests.React(id=id_, emoji=emoji, is_on=is_on):
            if not is_emoji(emoji):
                raise ChangeRefused(ChangeRefusal.NO_EMOJI)
            line, conversation = await _line_to_change(node, id_)
            kind = RelationKind.REACT if is_on else RelationKind.UNREACT
            return await node.say(conversation, emoji, _related(line, kind), asked=request)
        case requests.OfferFile():
            return await node.files.offer(request)
        case _:
            assert_never(request)


async def _sent(node: "PeerNode", request: Sending) -> Sent:
    """Carry a request out that sends something; the answer comes with what it waits for."""
    receipt = await node.send(request)
    if request.key:
        await node.stored()
    if request.wait is Outcome.SETTLED:
        await receipt.settled()
    elif request.wait is Outcome.FINAL:
        await receipt.final()
    return receipt.sent()


async def _line_of_ours(node: "PeerNode", id_: int) -> tuple[StoredLine, Conversation]:
    """Return a line of ours that may be changed, and its conversation."""
    line, conversation = await _line_to_change(node, id_)
    if not line.outgoing:
        raise ChangeRefused(ChangeRefusal.NOT_OURS)
    if node.core.wall(node.now()) * 1_000 > line.at_ms + CHANGED_WITHIN_MS:
        raise ChangeRefused(ChangeRefusal.TOO_OLD)
    return line, conversation


async def _line_to_change(node: "PeerNode", id_: int) -> tuple[StoredLine, Conversation]:
    """Return a line that may be changed or answered, and its conversation."""
    line = await node.storage.read(lambda lines: lines.by_id(id_), by_index=False)
    if line is None or line.is_change:
        raise ChangeRefused(ChangeRefusal.NO_SUCH_LINE)
    if line.folded is not None and line.folded.is_retracted:
        raise ChangeRefused(ChangeRefusal.TAKEN_BACK)
    if line.state in DEAD:
        raise ChangeRefused(ChangeRefusal.NOT_SENT)
    conversation = shown(line, node.name).conversation
    if conversation.is_person and not _is_of(node, conversation.name, line.stream):
        raise ChangeRefused(ChangeRefusal.OTHER_KEY)
    return line, conversation


def _is_of(node: "PeerNode", name: str, stream: bytes) -> bool:
    """Whether messages to this name go where those of this stream went."""
    if is_same_name(name, node.name):
        return stream == node.core.me.identity.public
    contact = node.core.roster.contacts.by_name(name)
    return contact is None or contact.identity == stream


def _related(line: StoredLine, kind: RelationKind) -> Related:
    return Related(kind, line.stream, is_ours=line.outgoing, number=line.number)


async def _find_sent(node: "PeerNode", request: requests.FindSent) -> Sent | None:
    if (known := node.sent_by(request.key)) is not None:
        return known
    line = await node.storage.read(lambda lines: lines.by_key(request.key), by_index=False)
    return None if line is None else sent_of(shown(line, node.name))


def _tell_typing(node: "PeerNode", request: requests.TellTyping) -> None:
    node.core.direct.send_typing(request.to, now=node.now())


async def _wait(node: "PeerNode", request: requests.Wait) -> None:
    match request.until:
        case Moment.READY | Moment.IN_ROOM:
            if request.until is Moment.READY:
                await _be_ready(node)
            await node.until(lambda core: core.rooms.is_settled or core.state is State.REFUSED)
        case Moment.SETTLED:
            await node.until(lambda core: core.is_settled)
        case Moment.LEFT:
            await node.until(
                lambda core: core.state is not State.LEAVING and not node.driver.is_turn_due
            )
        case Moment.RELEASED:
            await node.until(
                lambda core: not core.registry.releasing.is_pending and not node.driver.is_turn_due
            )
        case Moment.DESK_ANSWERED:
            await node.until(lambda core: core.desk.commands.is_answered)
        case Moment.DESK_SAID:
            await node.until(lambda core: core.desk.is_said)
        case _:
            assert_never(request.until)


async def _be_ready(node: "PeerNode") -> None:
    if not node.has_been_ready:
        await node.until(lambda core: core.is_ready or core.not_let_in is not None)
    core = node.core
    if core.not_let_in is not None and not (
        node.has_been_ready and core.state is not State.REFUSED
    ):
        raise _refusal(core.not_let_in)
    node.has_been_ready = True


def _refusal(why: events.NotLetIn) -> NotLetIn:
    match why:
        case events.NameUnavailable(name=name):
            return NameTaken(name)
        case events.AdmissionRefused(reason=reason, key=key):
            return NotAdmitted(reason, key)
        case events.RegistryKeyChanged(expected=expected, got=got):
            return OtherRegistry(expected, got)
        case _:
            assert_never(why)


# --- rooms


def _enter_room(node: "PeerNode", request: requests.EnterRoom) -> None:
    node.core.rooms.enter(request.room, now=node.now())


def _leave_room(node: "PeerNode", request: requests.LeaveRoom) -> None:
    node.core.rooms.leave(request.room, now=node.now())


def _set_topic(node: "PeerNode", request: requests.SetTopic) -> None:
    node.core.rooms.topic.ask(request.room, request.text, now=node.now())


def _show_topic(node: "PeerNode", request: requests.ShowTopic) -> None:
    node.core.rooms.topic.show(request.room)


def _show_rooms(node: "PeerNode", _: requests.ShowRooms) -> None:
    node.core.rooms.room_list.ask(now=node.now())


async def _list_rooms(node: "PeerNode", _: requests.ListRooms) -> tuple[events.Room, ...]:
    node.post(requests.ShowRooms())
    await node.until(lambda core: core.rooms.room_list.pending is None)
    answer = node.core.rooms.room_list.answer
    if isinstance(answer, tuple):
        return answer
    raise NotAnswered(answer or events.NoAnswer.UNANSWERED)


# --- people, and we among them


ADDRESSES_WITHIN: Final = 2.5
"""Seconds for which a table waits for addresses: as long as a message tries to arrive."""


def _count_online(node: "PeerNode", _: requests.CountOnline) -> int:
    return node.core.roster.interest.online or sum(one.online for one in node.people())


async def _find_people(node: "PeerNode", request: requests.FindPeople) -> events.PeopleFound:
    interest = node.core.roster.interest
    try:
        first, after = (name_key(one) if one else "" for one in (request.first, request.after))
    except NameRefused:
        return events.PeopleFound(people=(), more=False)
    if not interest.is_on:
        of_whom = [one for one in node.people() if one.online or not request.only_online]
        named = sorted((name_key(one.name), one.name, one) for one in of_whom)
        found = [one for key, _, one in named if key.startswith(first) and key > after]
        return events.PeopleFound(
            people=tuple(found[: request.limit]), more=len(found) > request.limit
        )
    search = interest.search(
        By.PREFIX, first, after=after, limit=request.limit, only_online=request.only_online
    )
    node.driver.schedule()
    await node.until(lambda _: search.is_over)
    if search.answer is None:
        raise NotAnswered(events.NoAnswer.UNREACHABLE)
    people = node.core.roster.contacts.listed(search.answer.people)
    return events.PeopleFound(people=people, more=search.answer.more)


async def _list_people(node: "PeerNode", request: requests.ListPeople) -> tuple[events.Person, ...]:
    if request.needs_addresses and node.core.roster.wants_cards():
        node.driver.schedule()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ADDRESSES_WITHIN):
                await node.until(lambda core: not core.roster.awaits_cards)
    return node.people()


def _rename(node: "PeerNode", request: requests.Rename) -> None:
    is_possible = node.core.registry.renaming.refusal_of(request.new) is None
    refused = _mark(node, request.new) if is_possible else None
    if refused is not None:
        node.tell([refused])
    else:
        node.core.registry.renaming.request(request.new, now=node.now())


def _mark(node: "PeerNode", new: str) -> events.NameUnavailable | events.RenameFailed | None:
    """Note on disk that we are about to ask for this name. Return why we cannot, if so."""
    try:
        node.keys.mark(new)
    except NameHasKeys:
        # Several people may share a machine. That a name is taken tells the user more than where
        # its keys are.
        if any(is_same_name(person.name, new) for person in node.core.people()):
            return events.NameUnavailable(name=new)
        return events.RenameFailed(
            name=new, reason=events.RenameRefusal.KEYS_EXIST, detail=str(node.folder)
        )
    except OSError as error:
        detail = f"{error.filename or node.folder}: {error.strerror or error}"
        return events.RenameFailed(name=new, reason=events.RenameRefusal.OWN_DISK, detail=detail)
    return None


def _release_name(node: "PeerNode", _: requests.ReleaseName) -> None:
    node.core.registry.releasing.request(now=node.now())


def _leave(node: "PeerNode", _: requests.Leave) -> None:
    node.leave()


def _come_back(node: "PeerNode", _: requests.ComeBack) -> None:
    node.has_been_ready = False
    node.core.start(now=node.now())


async def _examine(node: "PeerNode", request: requests.Examine) -> Any:
    if request.name is None:
        return tuple(await _way_to_registry(node))
    return tuple(await _way_to_person(node, request.name))


_REFUSALS: Final = {
    events.NameUnavailable: Trouble.NAME_TAKEN,
    events.AdmissionRefused: Trouble.NOT_ADMITTED,
}


async def _way_to_registry(node: "PeerNode") -> list[Finding]:
    """Look at the way to the registry, at our name there, at our clock and at our disk."""
    from chatapp.peer.doctor import (
        probe_disk,
        probe_privacy,
        probe_servers,
    )  # deferred: rarely needed

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
    trouble = None if await node.files.is_port_free() else Trouble.PORT_TAKEN
    port = Finding(check=Check.OWN_PORT, trouble=trouble, amount=float(node.driver.port))
    return [*findings, probe_disk(node.folder), probe_privacy(node.folder), port]


async def _way_to_person(node: "PeerNode", name: str) -> list[Finding]:
    """Look at a person: known, online, with the key that we know, and in reach directly and through
    the registry. Where the registry is not in reach, the way to it comes first."""
    findings: list[Finding] = []
    if node.core.reach is not RegistryReach.UP:
        findings = await _way_to_registry(node)
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
    if result is not None and result.direct is not None:
        findings += await _way_to_us(node, person.name)
    return findings


async def _way_to_us(node: "PeerNode", name: str) -> list[Finding]:
    """Have a person find out whether they can connect to us to fetch a file."""
    contact = node.core.roster.contacts.by_name(name)
    is_reached = None if contact is None else await node.files.is_reached_by(contact)
    if is_reached is None:
        return []
    port, trouble = float(node.driver.port), None if is_reached else Trouble.NO_ANSWER
    return [Finding(check=Check.REACHED, trouble=trouble, amount=port, subject=name)]


# --- keys, and whom to ignore


def _accept_key(node: "PeerNode", request: requests.AcceptKey) -> Any:
    return node.core.roster.trust.accept(request.name, request.digits, now=node.now())


def _accept_registry_key(node: "PeerNode", request: requests.AcceptRegistryKey) -> Any:
    return node.core.registry.trust.accept(request.digits, now=node.now())


def _mute(node: "PeerNode", request: requests.Mute) -> Any:
    what = request.conversation
    if what.is_room:
        entered = node.state.room(what.name)
        if entered is None:
            return events.NotInRoom(room=what.name)
        what = room(entered.name)
    return node.core.muting.change(what, request.seconds, now=node.now())


# --- the help desk


def _ask_desk(node: "PeerNode", request: requests.AskDesk) -> None:
    target = _target(node, request)._replace(
        asks_first=request.asks_first, is_quiet=request.is_quiet
    )
    node.core.desk.ask(request.request, target)


def _say_at_desk(node: "PeerNode", request: requests.SayAtDesk) -> None:
    target = _target(node, request)._replace(is_maybe=request.is_maybe)
    said = node.core.desk.say(request.text, target, now=node.now(), line=request.line)
    if said is not None:
        node.note_said(msgspec.structs.replace(said, sender=node.name), key=request.key)


def _change_at_desk(node: "PeerNode", request: requests.ChangeAtDesk) -> None:
    change = node.core.desk.change(request.id, request.text, now=node.now(), line=request.line)
    node.note_said(msgspec.structs.replace(change, sender=node.name), key=request.key)


async def _send_desk_file(node: "PeerNode", request: requests.SendDeskFile) -> events.Said:
    from chatapp.peer.node.files.desk import read_file  # deferred: rarely needed

    target = _target(node, request)
    name, content = await asyncio.to_thread(read_file, request.path)
    upload = node.core.desk.send_file(name, content, target, now=node.now(), line=request.line)
    if upload is None:
        raise DeskFileRefused(DeskFileRefusal.NOT_SERVED)
    node.schedule()
    await _over(node, upload)
    said = msgspec.structs.replace(upload.outcome(), sender=node.name)
    node.note_said(said, key=request.key)
    return said


async def _over(node: "PeerNode", transfer: DeskUpload | DeskDownload) -> None:
    try:
        async with asyncio.timeout(WITHIN):
            await node.until(lambda _: transfer.is_over)
    except TimeoutError:
        raise DeskFileRefused(DeskFileRefusal.UNANSWERED) from None
    finally:
        node.core.desk.files.forget(transfer)


async def _fetch_desk_file(
    node: "PeerNode", request: requests.FetchDeskFile
) -> requests.FetchedFile:
    from chatapp.peer.node.files.desk import save_file  # deferred: rarely needed

    visit, name, size = request.visit, request.name, request.size
    if not visit:
        line = node.core.desk.file_at(request.position)
        if line is None or line.file is None:
            raise DeskFileRefused(DeskFileRefusal.NOT_HERE)
        visit, name, size = line.visit, line.text, line.file.size
    download = node.core.desk.files.fetch(visit, request.position, size)
    node.schedule()
    await _over(node, download)
    save = partial(
        save_file,
        download.content,
        name,
        wanted=request.path,
        downloads=node.files.downloads,
    )
    return requests.FetchedFile(path=str(await asyncio.to_thread(save)), size=size)


def _target(
    node: "PeerNode", request: requests.AskDesk | requests.SayAtDesk | requests.SendDeskFile
) -> VisitTarget:
    at = request.entered_at
    return VisitTarget(request.visit, node.now() if at is None else at)


def _read_talk(node: "PeerNode", request: requests.ReadTalk) -> requests.Talk:
    talk = node.core.desk.talk(node.name)
    if talk is not None:
        talk = msgspec.structs.replace(talk, lines=talk.lines[max(request.start, 0) :])
    return requests.Talk(talk=talk)


# --- the past


async def _page(node: "PeerNode", request: requests.ReadPage) -> Lines:
    """Return a page of a conversation, or of all."""

    def page(lines: MessageQueries, among: Sequence[int]) -> list[StoredLine]:
        return lines.page(
            among,
            limit=_bounded(request.limit),
            before=request.before,
            after=request.after,
            only_shown=request.only_shown,
        )

    by_index = request.conversation is not None
    return await _read(node, request.conversation, page, by_index=by_index)


async def _search(node: "PeerNode", request: requests.SearchPast) -> Lines:
    """Return the newest lines that have all the words."""

    def matching(lines: MessageQueries, among: Sequence[int]) -> list[StoredLine]:
        limit, before = _bounded(request.limit), request.before
        return lines.search(request.words, limit, among=among or None, before=before)

    return await _read(node, request.conversation, matching, by_index=True)


async def _read(
    node: "PeerNode",
    conversation: Conversation | None,
    query: Callable[[MessageQueries, Sequence[int]], list[StoredLine]],
    *,
    by_index: bool,
) -> Lines:
    """Return the lines that a query finds among the rows of a conversation, or of all."""
    registry, me = node.storage.registry, node.name

    def read(lines: MessageQueries) -> list[Said]:
        among = _ids(lines, conversation, registry)
        return [] if among is None else [shown(line, me) for line in query(lines, among)]

    return Lines(lines=tuple(await node.storage.read(read, by_index=by_index)))


async def _around(node: "PeerNode", request: requests.ReadAround) -> Lines:
    """Return lines around one."""
    registry, me, limit = node.storage.registry, node.name, _bounded(request.limit)

    def read(lines: MessageQueries) -> list[Said]:
        line = lines.by_id(request.id)
        if line is None or line.is_change:
            return []
        among = _ids(lines, shown(line, me).conversation, registry)
        if among is None:
            return [shown(line, me)]  # a line of a group at another registry
        older = lines.page(among, limit=limit // 2, before=request.id + 1) or [line]
        newer = lines.page(among, limit=limit - len(older), after=request.id)
        return [shown(line, me) for line in (*older, *newer)]

    return Lines(lines=tuple(await node.storage.read(read, by_index=True)))


async def _why(node: "PeerNode", request: requests.ExplainDelivery) -> DeliveryTrace | None:
    """Return how a line was delivered."""
    id_ = request.id

    def read(lines: MessageQueries) -> tuple[StoredLine, tuple[Version, ...]] | None:
        line = lines.last_own() if id_ is None else lines.by_id(id_)
        return None if line is None else (line, _versions(lines, line))

    found = await node.storage.read(read, by_index=False)
    if found is None:
        return None
    line, versions = found
    steps: tuple[Raw, ...] = ()
    if line.outgoing and line.state not in FINAL:
        steps = node.core.steps_under_way(line.stream, line.number)
        if not steps:  # it was settled, or got another number, while it was read
            again = await node.storage.read(lambda lines: lines.by_id(line.id), by_index=False)
            line = again or line
    steps = steps or unpacked(line.trace, line.at_ms)
    return DeliveryTrace(
        line=shown(line, node.name),
        steps=readable(steps, line.at_ms),
        versions=versions,
        file=node.files.find(line.id) if _offers_file(line) else None,
    )


def _offers_file(line: StoredLine) -> bool:
    return line.related is not None and line.related.kind is RelationKind.OFFER


async def _find(node: "PeerNode", request: requests.FindLines) -> FoundLines:
    """Return lines as events name them. Those of a visit are not in the history."""
    registry, me = node.storage.registry, node.name
    at_desk = {
        one: node.core.desk.find(one.target, me)
        for one in request.wanted
        if one.conversation == DESK
    }

    def read(lines: MessageQueries) -> list[FoundLine | None]:
        return [
            at_desk[one] if one in at_desk else _found(lines, one, registry, me)
            for one in request.wanted
        ]

    if len(at_desk) == len(request.wanted):
        return FoundLines(lines=tuple(at_desk.values()))
    return FoundLines(lines=tuple(await node.storage.read(read, by_index=False)))


def _found(
    lines: MessageQueries, wanted: requests.LineName, registry: int, me: str
) -> FoundLine | None:
    among = _ids(lines, wanted.conversation, registry)
    line = lines.find(among, wanted.target) if among else None
    return (
        None if line is None else FoundLine(line=shown(line, me), versions=_versions(lines, line))
    )


def _versions(lines: MessageQueries, line: StoredLine) -> tuple[Version, ...]:
    return tuple(
        Version(number=number, at=at_ms / 1_000, text=text[:VERSION_SHOWN])
        for number, at_ms, text in lines.versions(line)[-VERSIONS_SHOWN:]
    )


async def _conversations(
    node: "PeerNode", request: requests.ListConversations
) -> requests.Conversations:
    """Return the conversations after the first `start` ones."""
    registry, me = node.storage.registry, node.name
    states = await node.storage.read(lambda lines: _states(lines, registry, me), by_index=True)
    drafts = dict(node.drafts)
    states = [
        msgspec.structs.replace(state, draft=drafts.pop(state.conversation, "")) for state in states
    ]
    states += (
        ConversationState(conversation=what, unread=0, read=0, last=None, draft=text)
        for what, text in drafts.items()
    )
    if node.core.desk.is_on or node.core.desk.client is not None:
        states.insert(0, ConversationState(conversation=DESK, unread=0, read=0, last=None))
    return requests.Conversations(conversations=tuple(states[max(request.start, 0) :]))


def _keep_draft(node: "PeerNode", request: requests.KeepDraft) -> None:
    check_length(request.text)
    drafts, what = node.drafts, request.conversation
    drafts.pop(what, None)
    node.core.note_draft(what, request.text, window=request.window)
    if request.text:
        drafts[what] = request.text
        if len(drafts) > DRAFTS_MAX:
            oldest = next(iter(drafts))
            del drafts[oldest]
            node.core.note_draft(oldest, "")


def _unshown(node: "PeerNode", request: requests.ListUnshown) -> Unshown:
    """Return lines to us that were not shown. Raises sqlite3.Error."""
    return Unshown(lines=tuple(node.storage.unshown(after=request.after, count=request.limit)))


def _bounded(limit: int) -> int:
    return max(0, min(limit, PAGE_MAX))


def _ids(
    lines: MessageQueries, conversation: Conversation | None, registry: int
) -> list[int] | None:
    """Return the rows of a conversation; an empty list stands for all conversations, and None means
    that there is no such conversation."""
    if conversation is None:
        return []
    return [row.id for row in lines.conversations.rows_of(conversation, registry)] or None


def _states(lines: MessageQueries, registry: int, me: str) -> list[ConversationState]:
    states: dict[object, ConversationState] = {}
    for row in sorted(lines.conversations.all(registry), key=lambda row: -row.newest):
        if not (newest := lines.page((row.id,), limit=1)):
            continue
        unread, one = lines.conversations.unread(row), states.get(identity_of(row.what))
        if one is None:
            is_addressed = row.is_group and lines.conversations.addresses(row, me)
            one = ConversationState(
                conversation=row.what,
                unread=unread,
                read=row.read,
                last=shown(newest[0], me),
                is_addressed=is_addressed,
            )
        else:  # the same person with another key
            one = ConversationState(
                conversation=one.conversation,
                unread=min(one.unread + unread, UNREAD_MAX),
                read=max(one.read, row.read),
                last=one.last,
            )
        states[identity_of(row.what)] = one
    return list(states.values())


ANSWERS: Final[Mapping[type[Request[Any]], Callable[["PeerNode", Any], Awaitable[Any] | Any]]] = {
    requests.Send: _sent,
    requests.Edit: _sent,
    requests.Retract: _sent,
    requests.Cancel: _sent,
    requests.React: _sent,
    requests.OfferFile: _sent,
    requests.ListFiles: lambda node, _: node.files.all(),
    requests.AcceptFile: lambda node, request: node.files.accept(request),
    requests.PauseFile: lambda node, request: node.files.pause(request),
    requests.RefuseFile: lambda node, request: node.files.refuse(request),
    requests.CancelFile: lambda node, request: node.files.cancel(request),
    requests.FindSent: _find_sent,
    requests.TellTyping: _tell_typing,
    requests.Wait: _wait,
    requests.EnterRoom: _enter_room,
    requests.LeaveRoom: _leave_room,
    requests.SetTopic: _set_topic,
    requests.ShowTopic: _show_topic,
    requests.ShowRooms: _show_rooms,
    requests.ListRooms: _list_rooms,
    requests.ListPeople: _list_people,
    requests.FindPeople: _find_people,
    requests.CountOnline: _count_online,
    requests.ReadState: lambda node, _: node.state,
    requests.SetStatus: lambda node, asked: node.core.roster.standing.change(
        asked.status, asked.away
    ),
    requests.Rename: _rename,
    requests.ReleaseName: _release_name,
    requests.Leave: _leave,
    requests.ComeBack: _come_back,
    requests.Examine: _examine,
    requests.ShowSafetyNumber: lambda node, request: node.core.roster.trust.number(request.name),
    requests.AcceptKey: _accept_key,
    requests.ShowRegistryKey: lambda node, _: node.core.registry.trust.key(),
    requests.AcceptRegistryKey: _accept_registry_key,
    requests.Ignore: lambda node, asked: node.core.roster.trust.ignore(asked.name, is_ignored=True),
    requests.Unignore: lambda node, asked: node.core.roster.trust.ignore(
        asked.name, is_ignored=False
    ),
    requests.Mute: _mute,
    requests.ReadPage: _page,
    requests.ReadAround: _around,
    requests.SearchPast: _search,
    requests.FindLines: _find,
    requests.ExplainDelivery: _why,
    requests.ListConversations: _conversations,
    requests.MarkRead: lambda node, request: node.read_marks.mark(request),
    requests.KeepDraft: _keep_draft,
    requests.ListUnshown: _unshown,
    requests.AskDesk: _ask_desk,
    requests.SayAtDesk: _say_at_desk,
    requests.ChangeAtDesk: _change_at_desk,
    requests.SendDeskFile: _send_desk_file,
    requests.FetchDeskFile: _fetch_desk_file,
    requests.IsLineForDesk: lambda node, asked: node.core.desk.takes_lines(
        entered_at=asked.entered_at
    ),
    requests.ReadTalk: _read_talk,
}
"""What is done for a request; it returns the answer, or what is to be awaited for it."""
