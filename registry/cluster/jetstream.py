"""The connection to NATS JetStream: requests and answers of the broker, and which streams a cluster
has there.

It runs an event loop in a thread of its own, so that the lease is renewed while the registry loads.
Requests share one inbox: servers lose answers to inboxes that are made for each request.
"""

import asyncio
import base64
import contextlib
import logging
import re
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from chatapp.registry.cluster.health import Copies
from chatapp.registry.cluster.settings import (
    ClusterProblem,
    ClusterUnavailable,
    demands_tls,
    is_old,
)
from chatapp.registry.cluster.stream.ledger import (
    STREAM_OF,
    Acked,
    Answer,
    Extent,
    LedgerUnavailable,
    Overtaken,
    Placed,
    Publication,
    Refused,
    Stream,
    Subject,
    Unanswered,
)
from chatapp.wire.aio.loops import serving_loop
from chatapp.wire.errors import quoted

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

_log = logging.getLogger(__name__)

T = TypeVar("T")

_Followed = tuple[str, Callable[["Msg"], Awaitable[None]]]
"""A subject, and what is called with each of its messages."""

ANSWER_WITHIN: Final = 2.0
"""Seconds that the broker has for an answer. Then the same message is sent again."""
ASK_WITHIN: Final = 0.5
"""Seconds that the broker has for the answer to a short question, which changes nothing. Then it is
asked again: a question during an election is never answered, and a registry that takes over would
wait for each of these answers in turn."""
ASK_AGAIN: Final = 0.1
"""Seconds without an answer after which such a question is asked again, beside the first: one that
was asked just before the end of an election is never answered, and a caller that waits for it loses
`ASK_WITHIN`."""
READ_WITHIN: Final = 20.0
"""Seconds that a question may go on without an answer: the election of a stream's leader takes 4 to
8."""
FOLLOWED_WITHIN: Final = 1
"""Seconds in which the servers have to refuse what this registry may not follow."""
CLOSE_WITHIN: Final = 1.0
"""Seconds that the end of a connection may take: a server that is frozen takes nothing that waits."""
BATCH: Final = 1_000
"""The most messages asked for at once."""
BATCH_BYTES: Final = 8 * 1024 * 1024
"""The most bytes asked for at once."""
AGAIN_AFTER: Final = 1.0
"""Seconds between attempts to connect anew once the servers have closed the connection, as for a
changed password."""
REPLICAS: Final = 3
DUPLICATES_FOR: Final = 120
"""Seconds for which the broker knows the ids of messages."""

_API: Final = "$JS.API"
_EXPECTED_PLACE: Final = "Nats-Expected-Last-Sequence"
_EXPECTED_OF_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence"
_ID: Final = "Nats-Msg-Id"
_PLACE: Final = "Nats-Sequence"
_STATUS: Final = "Status"

_WRONG_PLACE: Final = frozenset({10070, 10071})
_NO_MESSAGE: Final = 10037
_NO_STREAM: Final = 10059
_DISABLED: Final = frozenset({10039, 10076})
_FULL: Final = frozenset({10023, 10047, 10077})
_TEMPORARY: Final = frozenset({10008, 10009, 10158})
_DENIED: Final = 503
_PERMISSIONS: Final = "permissions violation"


class _Error(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _State(msgspec.Struct):
    first_seq: int = 0
    last_seq: int = 0


class _Config(msgspec.Struct):
    retention: str = ""
    discard: str = ""
    storage: str = ""
    max_msgs: int = -1
    max_age: int = 0
    num_replicas: int = 1
    subjects: list[str] = []
    max_msgs_per_subject: int = -1
    max_msg_size: int = -1
    persist_mode: str = "default"
    no_ack: bool = False
    sealed: bool = False


class _Stored(msgspec.Struct):
    seq: int
    data: str = ""


class _Copy(msgspec.Struct):
    name: str = ""
    current: bool = False
    offline: bool = False


class _Cluster(msgspec.Struct):
    leader: str = ""
    replicas: list[_Copy] = []


class _Reply(msgspec.Struct):
    """Any answer of the broker's interface."""

    error: _Error | None = None
    seq: int = 0
    state: _State | None = None
    config: _Config | None = None
    cluster: _Cluster | None = None
    message: _Stored | None = None


_SEED: Final = re.compile(rb"\bSU[A-Z2-7]{56}\b")
_JWT: Final = b"BEGIN NATS USER JWT"
"""The mark of NATS credentials. The client library would look for it for ever in a file without
it."""
_SEED_OF_JWT: Final = b"BEGIN USER NKEY SEED"
_replies: Final = msgspec.json.Decoder(_Reply)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Leave out what asyncio logs at the end of each connection by TLS; the client library causes
    it."""
    return "eof_received() has no effect" not in record.getMessage()


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the servers. `credentials`: a file of NATS credentials, or one with an nkey's
    seed; `ca`: the certificates that sign the servers', None for those of the system."""

    servers: tuple[str, ...]
    credentials: Path | None = None
    ca: Path | None = None


class JetStream:
    """A `Ledger` of the cluster `name`. Call `open` first, and `close` last. Methods without
    `async` are for any thread but the own one."""

    def __init__(self, access: Access, name: str) -> None:
        self._access = access
        self._name = name
        self._client: Client | None = None
        self._loop = serving_loop()
        self._thread = threading.Thread(target=self._run, name="cluster", daemon=True)
        self._answers: dict[str, asyncio.Queue[Msg]] = {}
        self._batches = 0
        self._trouble = ""
        self._is_denied = self._is_forbidden = False
        self._has_refused = False
        """Whether a message was too large for the servers of this connection."""
        self._limits: set[asyncio.Timeout] = set()
        """Of what reads now."""
        self._has_given_up = False
        self._again: asyncio.Task[None] | None = None
        self._followed: set[_Followed] = set()
        """Subjects, and what follows them."""
        self._subscriptions: dict[_Followed, Subscription] = {}
        """Those that the present client has. It repeats them when it reconnects."""
        self._subscribing = asyncio.Lock()

    # --- the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
        """Run a coroutine in the thread; the caller is an event loop, which may await the
        future."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def call_soon(self, work: Callable[[], object]) -> None:
        """Call a function in the thread, soon; not if the thread has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

    def close(self) -> None:
        """Close the connection and end the thread."""
        if not self._thread.is_alive():
            self._loop.close()
            return
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_WITHIN):
                    await client.close()
        mine = asyncio.current_task()
        rest = [task for task in asyncio.all_tasks() if task is not mine]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    # --- the connection

    def open(self, *, within: float) -> None:
        """Connect, and make the streams if they are missing. Raises ClusterUnavailable."""
        self._thread.start()
        self.run(self._open(within))

    async def _open(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self._connect()
                self._check_version()
                for stream in Stream:
                    await self._have(stream)
        except TimeoutError:
            problem = ClusterProblem.NO_STREAM if self._client is not None else ClusterProblem.AWAY
            raise ClusterUnavailable(problem, self._trouble) from None

    async def _connect(self) -> None:
        try:
            import nats.aio.client  # noqa: F401 - whether it is installed

            self._credentials()
        except ImportError:
            raise ClusterUnavailable(ClusterProblem.NO_LIBRARY) from None
        logging.getLogger("asyncio").addFilter(_is_worth_a_line)
        while not await self._connect_once():
            if self._is_denied:
                raise ClusterUnavailable(ClusterProblem.DENIED, self._trouble)
            await asyncio.sleep(0.5)

    async def _connect_once(self) -> bool:
        """Try to connect. Return whether that succeeded. Raises ClusterUnavailable, OSError for a
        wrong file."""
        import nats.errors
        from nats.aio.client import Client

        from chatapp.registry.cluster.tlsclient import TlsClient

        chosen = self._credentials()
        client = TlsClient() if "tls" in chosen else Client()

        async def closed() -> None:
            if client is self._client:
                await self._closed(client.last_error)

        try:
            await client.connect(
                list(self._access.servers),
                name=f"ChatApp registry of {self._name}",
                error_cb=self._noted,
                reconnected_cb=self._reconnected,
                closed_cb=closed,
                allow_reconnect=True,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=2,
                ping_interval=2,
                max_outstanding_pings=2,
                **chosen,
            )
            inbox = client.new_inbox()
            await client.subscribe(f"{inbox}.*", cb=self._batch_came)
        except (OSError, nats.errors.Error, TimeoutError, ValueError) as error:
            await self._noted(error)
            return False
        # From now on servers that are away are asked again for ever.
        client.options["max_reconnect_attempts"] = -1
        client.options["reconnect_time_wait"] = 0.2
        self._client, self._inbox, self._subscriptions = client, inbox, {}
        await self._subscribe_all()
        return True

    async def _closed(self, reason: Exception | None) -> None:
        """Connect anew: the servers have closed the connection, after which the client library does
        nothing more."""
        if reason is not None:
            await self._noted(reason)
        _log.warning("the servers of the cluster closed the connection: %s", quoted(self._trouble))
        self._again = asyncio.create_task(self._connect_again())

    async def _connect_again(self) -> None:
        """Try to connect for ever. Files of credentials are read each time: the next ones may be
        right."""
        while True:
            await asyncio.sleep(AGAIN_AFTER)
            self._is_denied = False
            try:
                is_connected = await self._connect_once()
            except (ClusterUnavailable, OSError) as error:
                self._trouble, is_connected = str(error), False
            if is_connected:
                await self._reconnected()
                return

    def _credentials(self) -> dict[str, Any]:
        """Return the options of the client for TLS and for credentials. Raises ClusterUnavailable,
        OSError, ImportError."""
        chosen: dict[str, Any] = {}
        if demands_tls(self._access.servers, self._access.ca):
            try:
                chosen["tls"] = ssl.create_default_context(cafile=self._access.ca)
            except ssl.SSLError as error:
                raise OSError(error.errno, "holds no certificates", str(self._access.ca)) from None
            except OSError as error:  # it does not name the file
                raise OSError(error.errno, error.strerror, str(self._access.ca)) from None
        file = self._access.credentials
        if file is not None:
            text = file.read_bytes()
            seed = _SEED.search(text)
            if seed is None or not _is_seed(seed[0]):
                raise ClusterUnavailable(ClusterProblem.BAD_FILE, str(file))
            if _JWT not in text:
                chosen["nkeys_seed_str"] = seed[0].decode()
            elif _SEED_OF_JWT in text:
                chosen["user_credentials"] = str(file)
            else:
                raise ClusterUnavailable(ClusterProblem.BAD_FILE, str(file))
        return chosen

    async def _noted(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if self._is_denied or (type(error).__name__ == "NoServersError" and self._trouble):
            return  # the errors of each server came before it
        self._trouble = text.removeprefix("nats: ")
        self._is_denied = (
            "authorization" in text.lower() or type(error).__name__ == "AuthorizationError"
        )
        self._is_forbidden = self._is_forbidden or _PERMISSIONS in text.lower()

    async def _reconnected(self) -> None:
        self._trouble = ""
        self._is_denied = self._is_forbidden = self._has_refused = (
            False  # the servers may have other rules now
        )
        await self._subscribe_all()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to a server now."""
        client = self._client
        return client is not None and bool(client.is_connected)

    @property
    def trouble(self) -> str:
        """What the servers said last, or why they cannot be reached; empty for nothing."""
        return self._trouble

    def check_allowed(self) -> None:
        """Raise ClusterUnavailable if the servers have refused something that a registry of this
        cluster has to do."""
        if self._is_forbidden:
            raise ClusterUnavailable(ClusterProblem.FORBIDDEN, self._trouble)

    @property
    def message_max(self) -> int:
        return 0 if self._client is None else self._client.max_payload

    @property
    def servers(self) -> int:
        """How many servers are known."""
        known = (
            {(server.hostname, server.port) for server in self._client.servers}
            if self._client
            else set()
        )
        return len(known)

    # --- streams

    def stream(self, stream: Stream) -> str:
        """Return a stream's name in the broker."""
        return f"chatapp-{self._name}-{stream.name.lower()}"

    def subject(self, subject: Subject, run: str = "") -> str:
        """Return a subject as the broker knows it. `run`: of a snapshot's pieces, `*` for all."""
        return f"chatapp.{self._name}.{subject.value}" + (f".{run}" if run else "")

    @property
    def bus(self) -> str:
        """What the subjects of the bus begin with: they are in no stream."""
        return f"chatapp.{self._name}.bus."

    def _check_version(self) -> None:
        """Refuse servers that are too old. Raises ClusterUnavailable."""
        assert self._client is not None
        version = str(self._client._server_info.get("version", ""))  # noqa: SLF001 - as above
        if is_old(version):
            raise ClusterUnavailable(ClusterProblem.OLD_SERVER, version)

    async def _have(self, stream: Stream) -> None:
        """Make a stream if it is missing; check it if it is there. Raises ClusterUnavailable."""
        while True:
            reply = await self._ask(f"STREAM.INFO.{self.stream(stream)}")
            if reply is not None and reply.error is not None and reply.error.err_code == _NO_STREAM:
                config = self._config(stream)
                reply = await self._ask(f"STREAM.CREATE.{self.stream(stream)}", config)
            error = None if reply is None else reply.error
            self.check_allowed()
            if reply is not None and error is None:
                self._check(stream, reply.config or _Config())
                return
            if error is not None:
                self._trouble = error.description
                if error.err_code in _DISABLED:
                    raise ClusterUnavailable(ClusterProblem.NO_JETSTREAM, error.description)
            elif self._is_disabled():
                raise ClusterUnavailable(ClusterProblem.NO_JETSTREAM, "")
            await asyncio.sleep(0.25)

    def _is_disabled(self) -> bool:
        info = self._client._server_info if self._client else {}  # noqa: SLF001 - nats-py has no other way to ask
        return not info.get("jetstream", False) and self.servers < REPLICAS

    def _config(self, stream: Stream) -> dict[str, object]:
        is_lease = stream is Stream.LEASE
        return {
            "name": self.stream(stream),
            "subjects": sorted(
                self.subject(subject, "*" if subject is Subject.SNAPSHOT else "")
                for subject in stream.value
            ),
            "retention": "limits",
            "discard": "old" if is_lease else "new",
            "max_msgs_per_subject": 1 if is_lease else -1,
            "storage": "file",
            "num_replicas": self._replicas,
            "duplicate_window": DUPLICATES_FOR * 1_000_000_000,
            "allow_direct": True,
            "deny_delete": True,
        }

    @property
    def _replicas(self) -> int:
        """How many copies a stream has: one if one server is named, which may be known by several
        addresses."""
        return REPLICAS if len(self._access.servers) > 1 else 1

    def _check(self, stream: Stream, config: _Config) -> None:
        """Refuse a stream whose messages could vanish."""
        name = self.stream(stream)
        is_bounded = config.max_age or config.max_msgs >= 0 or config.storage != "file"
        drops = config.retention != "limits" or (
            stream is not Stream.LEASE and config.discard != "new"
        )
        if is_bounded or drops:
            raise ClusterUnavailable(ClusterProblem.MESSAGES_VANISH, name)
        wanted = self._config(stream)
        is_other = (
            sorted(config.subjects) != wanted["subjects"]
            or config.max_msgs_per_subject != wanted["max_msgs_per_subject"]
            or config.max_msg_size >= 0
            or config.persist_mode not in ("", "default")
            or config.no_ack
            or config.sealed
        )
        if is_other:
            raise ClusterUnavailable(ClusterProblem.OTHER_STREAM, name)
        if config.num_replicas < self._replicas:
            raise ClusterUnavailable(ClusterProblem.ONE_REPLICA, name)

    async def copies_soon(self, stream: Stream) -> Copies | None:
        """Return what the servers know of a stream's copies, in the own thread; None if no server
        tells."""
        reply = await self._question(f"STREAM.INFO.{self.stream(stream)}")
        if reply is None or reply.cluster is None:
            return None
        others = {copy.name: copy.current and not copy.offline for copy in reply.cluster.replicas}
        return Copies(reply.cluster.leader, others, self._replicas)

    # --- requests

    async def _request(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        within: float = ANSWER_WITHIN,
    ) -> "Msg | None":
        """Return the answer, None if there is none in time. Raises MaxPayloadError of the client
        library."""
        import nats.errors

        client = self._client
        if client is None or not client.is_connected:
            await asyncio.sleep(0.05)
            return None
        try:
            return await client.request(
                subject, data, timeout=within, headers=dict(headers) if headers else None
            )
        except nats.errors.MaxPayloadError:
            raise
        except (nats.errors.Error, TimeoutError, OSError):
            return None

    async def _ask(
        self, what: str, body: object = None, *, within: float = ANSWER_WITHIN
    ) -> _Reply | None:
        data = b"" if body is None else msgspec.json.encode(body)
        return _reply_in(await self._request(f"{_API}.{what}", data, within=within))

    async def _question(
        self, what: str, body: object = None, *, within: float = ASK_WITHIN
    ) -> _Reply | None:
        """Ask what changes nothing, again and again. Return the first answer, None if there is none
        in time."""
        asked: set[asyncio.Task[_Reply | None]] = set()
        try:
            async with asyncio.timeout(within):
                while True:
                    asked.add(asyncio.create_task(self._ask(what, body, within=within)))
                    done, asked = await asyncio.wait(
                        asked, timeout=ASK_AGAIN, return_when=asyncio.FIRST_COMPLETED
                    )
                    for reply in [task.result() for task in done]:
                        if reply is not None:
                            return reply
        except TimeoutError:
            return None
        finally:
            for task in asked:
                task.cancel()

    async def publish_soon(
        self, publication: Publication, *, within: float = ANSWER_WITHIN
    ) -> Answer:
        """Publish a message and wait for the answer, in the own thread."""
        import nats.errors

        headers = {}
        if publication.id:
            headers[_ID] = publication.id
        if publication.after is not None:
            is_whole = len(STREAM_OF[publication.subject].value) == 1
            headers[_EXPECTED_PLACE if is_whole else _EXPECTED_OF_SUBJECT] = str(publication.after)
        subject = self.subject(publication.subject, publication.run)
        try:
            found = await self._request(subject, publication.message, headers, within=within)
        except nats.errors.MaxPayloadError:
            return Refused(f"the servers allow messages of {self.message_max:,} bytes only")
        reply = _reply_in(found)
        if reply is None:
            return Unanswered()
        if reply.error is None:
            self._is_forbidden = False
            return Acked(reply.seq)
        if reply.error.err_code in _WRONG_PLACE:
            return Overtaken()
        if reply.error.err_code in _TEMPORARY or reply.error.code == _DENIED:
            return Unanswered()
        return Refused(reply.error.description, is_full=reply.error.err_code in _FULL)

    async def newest_soon(
        self, subject: Subject, *, within: float = ANSWER_WITHIN
    ) -> Placed | None:
        """Return the newest message of a subject, in the own thread. Raises LedgerUnavailable."""
        what = f"STREAM.MSG.GET.{self.stream(STREAM_OF[subject])}"
        reply = await self._question(what, {"last_by_subj": self.subject(subject)}, within=within)
        if reply is None or (reply.error is not None and reply.error.err_code != _NO_MESSAGE):
            raise LedgerUnavailable
        if reply.message is None:
            return None
        return Placed(reply.message.seq, base64.b64decode(reply.message.data))

    @contextlib.asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """Give what reads until `READ_WITHIN`, or until `give_up`. Raises LedgerUnavailable."""
        try:
            async with asyncio.timeout(0 if self._has_given_up else READ_WITHIN) as limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError:
            raise LedgerUnavailable from None

    def give_up(self) -> None:
        """Let everything that reads or removes something fail now, and all that begins to. Any
        thread may call it."""
        self.call_soon(self._give_up)

    def _give_up(self) -> None:
        self._has_given_up = True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())

    def publish(self, publication: Publication) -> Answer:
        return self.run(self.publish_soon(publication))

    def newest(self, subject: Subject) -> Placed | None:
        return self.run(self._patiently(subject))

    async def _patiently(self, subject: Subject) -> Placed | None:
        async with self._patience():
            while True:
                with contextlib.suppress(LedgerUnavailable):
                    return await self.newest_soon(subject, within=ASK_WITHIN)
                await asyncio.sleep(0.1)
        raise LedgerUnavailable

    def extent(self, stream: Stream) -> Extent:
        return self.run(self._extent(stream))

    async def _extent(self, stream: Stream) -> Extent:
        async with self._patience():
            while True:
                reply = await self._question(
                    f"STREAM.INFO.{self.stream(stream)}", within=ASK_WITHIN
                )
                if reply is not None and reply.error is None and reply.state is not None:
                    return Extent(reply.state.first_seq, reply.state.last_seq)
                await asyncio.sleep(0.1)
        raise LedgerUnavailable

    def purge(self, stream: Stream, below: int) -> None:
        self.run(self._purge(stream, {"seq": below}))

    def purge_run(self, run: str) -> None:
        self.run(self._purge(Stream.SNAPSHOTS, {"filter": self.subject(Subject.SNAPSHOT, run)}))

    async def _purge(self, stream: Stream, what: dict[str, object]) -> None:
        async with self._patience():
            while True:
                reply = await self._ask(f"STREAM.PURGE.{self.stream(stream)}", what)
                if reply is not None and reply.error is None:
                    return
                await asyncio.sleep(0.1)
        raise LedgerUnavailable

    # --- core NATS: what no stream keeps

    async def follow_soon(self, subject: str, came: "Callable[[Msg], Awaitable[None]]") -> None:
        """Subscribe to a subject, at this connection and at all later ones, in the own thread. What
        is sent while there is no connection is lost. Raises ClusterUnavailable if the servers do
        not allow it."""
        import nats.errors

        self._followed.add((subject, came))
        await self._subscribe_all()
        client = self._client
        if client is not None and client.is_connected:
            with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                for _ in range(2):  # the library's first question may overtake the subscription
                    await client.flush(FOLLOWED_WITHIN)
        self.check_allowed()

    async def _subscribe_all(self) -> None:
        """Subscribe to what is followed, as far as the present connection has no subscription."""
        import nats.errors

        async with self._subscribing:
            client = self._client
            if client is None or not client.is_connected:
                return  # this is called again when it is
            with contextlib.suppress(nats.errors.Error, OSError):
                for subject, came in self._followed - self._subscriptions.keys():
                    self._subscriptions[subject, came] = await client.subscribe(subject, cb=came)

    async def unfollow_soon(self, subject: str, came: "Callable[[Msg], Awaitable[None]]") -> None:
        """End a subscription, in the own thread."""
        import nats.errors

        self._followed.discard((subject, came))
        async with self._subscribing:
            subscription = self._subscriptions.pop((subject, came), None)
            if subscription is not None:
                with contextlib.suppress(nats.errors.Error, OSError):
                    await subscription.unsubscribe()

    async def send_soon(self, subject: str, data: bytes) -> None:
        """Send a message to those that follow a subject now, in the own thread. It may be lost;
        while there is no connection a little waits for the next one. What is too large for the
        servers is lost, which is logged once a connection."""
        import nats.errors

        if self._client is None:
            return
        try:
            await self._client.publish(subject, data)
        except nats.errors.MaxPayloadError:
            if not self._has_refused:
                text = "messages between nodes are lost: one has %s bytes, and the servers allow %s (max_payload)"
                _log.error(text, f"{len(data):,}", f"{self.message_max:,}")
            self._has_refused = True
        except (nats.errors.Error, OSError):
            pass

    # --- reading much

    def read(self, stream: Stream, first: int, last: int) -> Iterator[Placed]:
        while first <= last:
            found = self.run(self._batch(stream, first, last))
            if not found:
                return
            yield from found
            first = found[-1].place + 1

    async def _batch(self, stream: Stream, first: int, last: int) -> list[Placed]:
        """Read some messages. Any replica answers, and one that is behind does not have the newest
        yet, so an empty answer is believed only after the leader's."""
        async with self._patience():
            while True:
                found = [
                    message
                    for message in await self._batch_once(stream, first)
                    if message.place <= last
                ]
                if found:
                    return found
                what = f"STREAM.MSG.GET.{self.stream(stream)}"
                reply = await self._question(what, {"seq": first, "next_by_subj": ">"})
                if reply is not None:
                    if reply.error is not None and reply.error.err_code == _NO_MESSAGE:
                        return []
                    if reply.message is not None:
                        place = reply.message.seq
                        data = base64.b64decode(reply.message.data)
                        return [Placed(place, data)] if place <= last else []
                await asyncio.sleep(0.1)
        raise LedgerUnavailable

    async def _batch_once(self, stream: Stream, first: int) -> list[Placed]:
        """Return what one replica sends; it may be less than there is."""
        client = self._client
        if client is None or not client.is_connected:
            return []
        self._batches += 1
        inbox = f"{self._inbox}.{self._batches}"
        queue = self._answers[inbox] = asyncio.Queue()
        found: list[Placed] = []
        try:
            body = msgspec.json.encode({"seq": first, "batch": BATCH, "max_bytes": BATCH_BYTES})
            await client.publish(f"{_API}.DIRECT.GET.{self.stream(stream)}", body, reply=inbox)
            async with asyncio.timeout(ANSWER_WITHIN):
                while True:
                    message = await queue.get()
                    headers = message.headers or {}
                    if _STATUS in headers or _PLACE not in headers:
                        break
                    place = int(headers[_PLACE])
                    if found and place <= found[-1].place:
                        break
                    found.append(Placed(place, message.data))
        except (TimeoutError, OSError, ValueError):
            pass
        finally:
            del self._answers[inbox]
        return found

    async def _batch_came(self, message: "Msg") -> None:
        queue = self._answers.get(message.subject)
        if queue is not None:
            queue.put_nowait(message)


def _is_seed(text: bytes) -> bool:
    """Return whether a text is the seed of a user's key."""
    import nkeys

    try:
        nkeys.from_seed(bytearray(text)).wipe()
    except (nkeys.NkeysError, ValueError):
        return False
    return True


def _reply_in(message: "Msg | None") -> _Reply | None:
    if message is None:
        return None
    try:
        return _replies.decode(message.data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
