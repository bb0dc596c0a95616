"""Whom we are told of while the registry does not tell everybody of everybody, and how we learn of
others then (clause 3.9)."""

from collections.abc import Callable, Iterable
from typing import Final

from chatapp.peer.core.contacts import Contacts
from chatapp.peer.core.context import Context
from chatapp.wire.limits import WATCHED_MAX
from chatapp.wire.messages.table import (
    By,
    Find,
    Found,
    PresenceChanged,
    Scope,
    Sight,
    TableScope,
    Watch,
)
from chatapp.wire.roster import sight_digest

ASKED_AT_ONCE: Final = 64
"""Searches that may be under way: as many as frames are held whose senders we do not know."""


class Search:
    """A question to the registry about people whom we are not told of."""

    __slots__ = ("answer", "find", "is_lost", "key")

    def __init__(self, find: Find, key: str) -> None:
        self.find: Final = find
        self.key: Final = key
        """Of the name that is looked for; empty for none."""
        self.answer: Found | None = None
        self.is_lost = False
        """Whether the link is gone, or the registry tells everybody of everybody again."""

    @property
    def is_over(self) -> bool:
        """Whether no answer is to come any more."""
        return self.answer is not None or self.is_lost


class Interest:
    """What we have asked the registry to tell us."""

    def __init__(self, ctx: Context, contacts: Contacts) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._contacts: Final = contacts
        self._me = ctx.me.identity.public
        self.wanted: Callable[[], Iterable[bytes]] = tuple
        """Returns whom we want to be told of, the most important first; set before we register."""
        self.is_on = False
        """Whether we are told only of those whom we watch."""
        self.online = 0
        """How many people were online when the registry said so last; 0 while it tells of
        everybody."""
        self._is_open = False
        """Whether there is a link to ask on."""
        self.has_changed = False
        """Whether we may want to be told of others than until now."""
        self._since = 0
        """The version of all that we know of those whom we do not watch yet."""
        self.watched: dict[bytes, None] = {}
        self._followed: dict[bytes, None] = {}
        """Whom we watched on the last link, up to the version `_followed_upto`."""
        self._followed_upto = 0
        self.seen = 0
        """The newest version of which we know something."""
        self._pending: set[int] = set()
        """The references of Watch without an answer."""
        self._doubted = b""
        """The last digest that did not fit, after which we have asked anew."""
        self._names: set[str] = set()
        """The keys of names that we have asked for on this link."""
        self._searches: dict[int, Search] = {}
        """Those without an answer, by reference."""
        self._again: list[tuple[float, Search]] = []
        self._alarm: Final = ctx.alarms.add(self._ask_again)

    @property
    def is_answered(self) -> bool:
        """Whether we have been told all that we have asked of those whom we watch."""
        return not self._pending

    # --- the link

    def scope_came(self, notice: TableScope) -> bool:
        """Take what the registry says of the scope. Return whether that is another one than until
        now."""
        is_on = notice.scope is Scope.INTEREST
        self.online = notice.online if is_on else 0
        if is_on is not self.is_on:
            self.is_on = is_on
            self._forget()
            return True
        if is_on and self._is_open and not self._pending and not self.has_changed:
            self._compare(notice)
        return False

    def _compare(self, notice: TableScope) -> None:
        """Ask anew if what we know differs from what the registry does: what it could not send to
        us was left out."""
        digest, shown = 0, {row.card.identity: row for row in self._contacts.blocked.values()}
        for identity in self.watched:
            contact = self._contacts.by_identity(identity)
            row = shown.get(identity) if contact is None else contact.row
            digest ^= sight_digest(identity, row)
        if digest.to_bytes(8, "big") == notice.digest:
            self.seen = max(self.seen, notice.version)
        elif self._doubted != notice.digest:
            self._doubted = notice.digest
            self._watch(list(self.watched), since=0)

    def begin(self, *, since: int) -> None:
        """Ask of all whom we want to be told of. `since`: up to which version we know everybody."""
        self._is_open, self._since, self.has_changed = True, since, True
        self.seen = max(self.seen, since)
        self._contacts.follow(self.watched)
        self.look()

    def begin_whole(self) -> None:
        """Note that there is a link on which we are told of everybody."""
        self._is_open, self.online = True, 0
        self._contacts.touched.clear()
        self._contacts.follow(None)

    def link_lost(self) -> None:
        """Forget what we asked. Whom we watched we know up to now."""
        if self.is_on and not self._pending and self.watched:
            self._followed, self._followed_upto = dict(self.watched), self.seen
        if self.is_on:
            self._contacts.follow(dict(self.watched))
        self.is_on = self._is_open = False
        self._forget()

    def forget_versions(self) -> None:
        """Count all that we know as outdated: the registry has gone back."""
        self.seen = self._since = self._followed_upto = 0
        self._followed = {}

    def _forget(self) -> None:
        self.watched.clear()
        self._pending.clear()
        self._names.clear()
        self._doubted, self.has_changed = b"", False
        for search in (*self._searches.values(), *(search for _, search in self._again)):
            search.is_lost = True
        self._searches.clear()
        self._again.clear()

    # --- whom we watch

    def look(self) -> None:
        """Ask to be told of those whom we want to be told of by now."""
        newest = next(reversed(self._contacts.touched), self._me)
        if not (self.has_changed or newest not in self.watched) or not self._is_open:
            return
        self.has_changed = False
        wanted: dict[bytes, None] = {self._me: None}
        for identity in self.wanted():
            if len(wanted) == WATCHED_MAX:
                break
            wanted[identity] = None
        dropped = [identity for identity in self.watched if identity not in wanted]
        added = [identity for identity in wanted if identity not in self.watched]
        followed = [identity for identity in added if identity in self._followed]
        known = [one for one in added if one not in self._followed and self._is_known(one)]
        others = [one for one in added if one not in self._followed and not self._is_known(one)]
        self._followed = {}
        for identity in dropped:
            del self.watched[identity]
        for some, since in (
            (known, self._since),
            (followed, max(self._followed_upto, self._since)),
            (others, 0),
        ):
            if some or dropped:
                self._watch(some, dropped, since=since)
                dropped = []
        self._contacts.changed()

    def _is_known(self, identity: bytes) -> bool:
        return self._contacts.by_identity(identity) is not None

    def _watch(self, added: list[bytes], dropped: list[bytes] | None = None, *, since: int) -> None:
        self.watched.update(dict.fromkeys(added))
        reference = self._reference()
        self._pending.add(reference)
        self._out.requests.append(Watch(reference, since, added, dropped or []))

    def people_came(self, notice: PresenceChanged) -> bool:
        """Take rows. Return whether they are news, and not an answer."""
        self._saw(notice.people)
        if not notice.more:
            self._pending.discard(notice.reference)
        return not notice.reference

    def _saw(self, people: list[Sight]) -> None:
        self.seen = max([self.seen, *(one.version for one in people)])

    # --- whom we look for

    def has_asked_for(self, key: str) -> bool:
        """Whether the registry has told on this link who has the name with this key."""
        return key in self._names

    def search(self, by: By, name: str = "", *, key: str = "", **others: int | str) -> Search:
        """Ask who that is. `key`: of a name."""
        find = Find(self._reference(), by, name, **others)  # type: ignore[arg-type]
        search = Search(find, key)
        if self.is_on and self._is_open:
            self._ask(search)
        else:
            search.is_lost = True
        return search

    def seek_speaker(self, sender_index: int) -> None:
        """Ask who seals under this index, unless that is asked or much else is."""
        asked = (search.find.sender_index for search in self._searches.values())
        if len(self._searches) + len(self._again) < ASKED_AT_ONCE and sender_index not in asked:
            self.search(By.SENDER_INDEX, sender_index=sender_index)

    def found(self, notice: Found, *, now: float) -> list[Sight]:
        """Take an answer. Return whom we know by it: not those who are only listed."""
        search = self._searches.pop(notice.reference, None)
        if search is None:
            return []
        if notice.wait:
            self._again.append((now + notice.wait, search))
            self._alarm.no_later_than(now + notice.wait)
        else:
            search.answer = notice
            if search.find.by is not By.PREFIX:
                self._names.add(search.key)
                self._saw(notice.people)
                return notice.people
        return []

    def _ask(self, search: Search) -> None:
        self._searches[search.find.reference] = search
        self._out.requests.append(search.find)

    def _ask_again(self, *, now: float) -> None:
        """Ask what the registry did not want to be asked so soon, the oldest first and one by
        one."""
        due = [search for at, search in self._again if at <= now]
        self._again = [(at, search) for at, search in self._again if at > now]
        for place, search in enumerate(due):
            if place:
                self._again.append((now + place, search))
            else:
                self._ask(search)
        self._alarm.deadline = min((at for at, _ in self._again), default=None)

    def _reference(self) -> int:
        return self._ctx.rng.getrandbits(32) or 1
