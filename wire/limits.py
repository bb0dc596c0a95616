"""Every cap on what a stranger can make us hold or do: the number, the threat and the reason.

It knows numbers only. A limit that follows from another one is written as a sum, never as a second literal.
"""

from typing import Final

# --- sizes on the wire -------------------------------------------------------------------------------------

DATAGRAM_MAX: Final = 1_232
"""Bytes of a UDP payload. 1,280 (the least MTU of IPv6, RFC 8200 section 5) less headers: never fragmented by IP."""

DATAGRAM_FRAMES_MAX: Final = 128
"""Frames in one datagram: more than ours ever hold. Each that is of no known kind costs some microseconds to skip, so a
datagram full of the shortest must not cost milliseconds."""

HELLO_SIZE: Final = 256
"""Bytes of a HELLO. At least as long as its answer, so that a forged sender gains nothing by us (amplification)."""

TEXT_MAX: Final = 65_536
"""Bytes of UTF-8 in one message. Longer ones are refused at the sender with a clear line."""

BODY_MAX: Final = TEXT_MAX + 256
"""Bytes of an encoded message body: the text and its time."""

LETTER_MAX: Final = BODY_MAX + 1_024
"""Bytes of a sealed letter: a body, two names, keys, a signature and the HPKE overhead."""

LINK_FRAME_MAX: Final = 72 * 1024
"""Bytes of one frame on an opened link: a letter of full length fits, with room for its envelope."""

LINK_FIRST_FRAME_MAX: Final = 4 * 1024
"""Bytes of the first frame of a link. Nobody has proved anything yet: a length bomb must not make us allocate."""

LINK_QUEUE_MAX: Final = 96 * 1024
"""Bytes waiting for one reader before the link is cut: a reader that never reads must not fill our memory."""

MAIL_BATCH_MAX: Final = 64 * 1024
"""Bytes of letters in one batch; the next follows when it is acknowledged. One letter goes whatever its size."""

TABLE_PAGE_MAX: Final = 48 * 1024
"""Bytes of rows in one page of the table; the peer asks for the next, so that its own reading sets the pace."""

GROUP_PAGE_MAX: Final = 48 * 1024
"""Bytes of stored lines in one page of a group's log."""

# --- links ---------------------------------------------------------------------------------------------------

LINK_FIRST_FRAME_TIMEOUT: Final = 5.0
"""Seconds until the first frame must have opened: a silent connection costs a descriptor no longer than this."""

LINK_SEGMENT_MAX: Final = 1_220
"""Bytes of a TCP segment: 1,280 (the least MTU of IPv6) less headers, as for datagrams. Larger segments are lost without a
word where a network on the way drops them and its ICMP messages, too (a black hole); the link would stand still for ever."""

LINK_STALL_TIMEOUT: Final = 10.0
"""Seconds for which what was said on a link may stay unanswered, or unacknowledged by the other machine: the link is lost
then, and a message on it takes another way within 12 s."""

LINK_KEEPALIVE_SPAN: Final = 50.0
"""Seconds of silence after which a peer says something on its link, to find out whether it still carries anything."""

LINKS_WAITING_PER_ADDRESS: Final = 16
"""Connections of one address that have not proved themselves; the oldest is closed for a newer one, so a flood of
silent connections never keeps out a real peer behind the same address (a classroom behind one NAT)."""

LINKS_WAITING_IN_ALL: Final = 512
"""The same over all addresses: below the usual limit of 1,024 descriptors."""

OWN_ADDRESSES_MAX: Final = 64
"""Addresses of its own machine for which the registry opens a UDP socket. All of 127/8 is local, so a program on the same
machine could otherwise use up the descriptors; what asks one address more is answered as the kernel likes."""

# --- the registry --------------------------------------------------------------------------------------------

NAMES_MAX: Final = 100_000
"""Names bound at one registry; each costs about 1 KiB of memory for ever. Past it newcomers are told `full`."""

NAMES_RESERVED_MAX: Final = 4
"""Names that one identity has beside the one it bears; past it the oldest is free, so that nobody hoards them."""

RENAMES_BURST: Final = 8
"""Changes of name of one identity at once: each is told to everybody, and costs a signature to check."""

RENAMES_SPAN: Final = 60.0
"""Seconds until it may change its name once more."""

LETTER_PLACE: Final = 4_096
"""Bytes of one place in a mailbox: a letter takes one, and one more for each so many bytes of it. Small letters cost memory
and a place in a list, large ones the disk."""

ROW_CHANGES_BURST: Final = 12
"""Changes of one row of the table told at once, four times away and back: each is sent to everybody online."""

ROW_CHANGES_SPAN: Final = 5.0
"""Seconds until one more is told; what changes meanwhile is told as it stands then."""

ROW_CHANGES_PER_NETWORK_BURST: Final = 512.0
"""The same of all people of one network together: a school behind one address that comes back has half of itself told at
once, and is served in any case."""

ROW_CHANGES_PER_NETWORK: Final = 25.0
"""Changes a second after that: six KiB a second for everybody online, where thousands of identities come and go for
nothing but that."""

MAILBOX_PLACES: Final = 256
"""Places in one mailbox, 1 MiB. `registry.limits`: at most half are one network's, and a third one sender's; or four people
would fill a mailbox, and nobody else's letter would be saved there for 21 days."""

MAIL_PLACES: Final = 512_000
"""Places in all mailboxes together, 2 GiB of disk and about 0.3 KiB of memory each. Shared in the same way: identities may
write to each other, and so four senders would fill what is everybody's."""

MAIL_KEPT_FOR: Final = 21 * 86_400.0
"""Seconds that a letter waits; as long as the old mail keys of a peer are kept."""

NAME_KEPT_FOR: Final = MAIL_KEPT_FOR
"""Seconds for which a name that somebody gave up stays theirs: nobody else gets a name for which their letters may be."""

GROUP_KEPT_FOR: Final = 7 * 86_400.0
"""Seconds that a line of the channel or of a room is kept for those who are away."""

GROUP_LINES_MAX: Final = 10_000
"""Lines kept in one group's log."""

GROUP_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes kept in one group's log."""

ROOMS_MAX: Final = 1_024
"""Rooms at one registry, each of which may fill a file. The one that has been without members longest makes way."""

ROOM_MEMBERS_MAX: Final = 1_024
"""Members of a room: each who enters is told of all others in one frame, which 36 bytes a member fill by half."""

ROOM_LINES_MAX: Final = 2_000
"""Lines kept in a room's log."""

ROOM_BYTES_MAX: Final = 2 * 1024 * 1024
"""Bytes kept in a room's log: with every room full 2 GiB of disk, where each could be of one person's making."""

ROOMS_MADE_BURST: Final = 8
"""Rooms that one identity may make at once, so that nobody uses up `ROOMS_MAX` alone."""

ROOMS_MADE_SPAN: Final = 600.0
"""Seconds until one identity may make one room more."""

ROOMS_MADE_PER_ADDRESS_BURST: Final = 64
"""Rooms that may be made from one address at once: identities cost nothing, a classroom shares an address."""

ROOMS_MADE_PER_ADDRESS_SPAN: Final = 30.0
"""Seconds until one room more may be made from there."""

ROOM_ENTRIES_BURST: Final = 64
"""Times that one identity may enter rooms at once: each is told to all members, and answered with a list of them."""

ROOM_ENTRIES_SPAN: Final = 0.5
"""Seconds until it may enter once more."""

ROOM_LIST_MAX: Final = 48 * 1024
"""Bytes of rooms in one list."""

SILENCE_REPORTS_PER_SECOND: Final = 5.0
"""Reports a second, averaged, by which one member may have others asked for a sign of life: each leads to at most one
question by each way, unless the other one does not answer."""

SILENCE_REPORTS_BURST: Final = 50.0
"""Such reports at once: the people whom one member talks with may vanish together."""

REQUESTS_PER_SECOND: Final = 5_000.0
"""Frames a second that one link is served, averaged; a faster one is read more slowly, nothing is dropped."""

REQUESTS_BURST: Final = 10_000.0
"""Frames that one link may send at once."""

REQUESTS_NETWORK_FACTOR: Final = 4
"""The same of all links of one network together: so many times as much as of one. Identities cost nothing."""

LINE_COST: Final = 20
"""Requests as which a line of a group counts: each of its members gets it, and the disk. 250 a second, and 500 at
once, of one speaker."""

LINE_UNIT: Final = 256
"""Bytes of a line for each of which it counts as one request more: 18 of the longest a second."""

RENEWAL_COST: Final = 250
"""Requests as which a frame of a link's renewal counts: the answer takes four key agreements, a fifth of a millisecond."""

ANSWER_UNIT: Final = 1_024
"""Bytes of answers for each of which what was asked counts as one request more: pages of a table or of a log are dear."""

RELAYS_PER_SECOND: Final = 200.0
"""Datagrams a second of one sender to one recipient that are handed on over links, averaged: a fallback where UDP fails.
The rest is lost, as on a slow network: else a flooder would fill the recipient's link until it is cut."""

RELAYS_BURST: Final = 400.0
"""Such datagrams at once: several of the longest messages."""

RELAYS_PER_NETWORK: Final = 400.0
"""The same of all senders of one network to one recipient."""

RELAYS_PER_NETWORK_BURST: Final = 800.0
"""The same at once."""

REQUESTS_QUEUED_MAX: Final = 8
"""Requests of one identity that wait because its earlier one waits for the disk: more than a person types while a
disk hangs, and little memory for whoever asks as fast as they are served."""

INVITES_MAX: Final = 1_000
"""Join codes that are not used up; whoever runs the registry makes more when some are used or have expired."""

INVITE_KEPT_FOR: Final = 7 * 86_400.0
"""Seconds for which a join code may be used: one that was lost in a mailbox lets nobody in for ever."""

REGISTERS_PER_SECOND: Final = 200.0
"""REGISTER datagrams a second and address whose signature is checked (about 0.1 ms each); the rest is dropped."""

REGISTERS_BURST: Final = 2_000.0
"""REGISTER datagrams of one address at once: a classroom behind one NAT that comes back after a power cut."""

REGISTERS_WAITING_MAX: Final = 4_096
"""REGISTERs that wait until their signatures are checked, about 2 KiB each, while more come than can be: a school that comes
back behind one address has room, and what has none comes again with the next try."""

NAMES_PER_ADDRESS_BURST: Final = 2_000.0
"""New names that one address (one /64 of IPv6) may bind at once: a school behind one NAT on its first day. Names are bound
for ever, so whoever binds without end would use up NAMES_MAX for everybody; squatting takes an address for so many."""

NAMES_PER_ADDRESS_PER_HOUR: Final = 500.0
"""New names of one address an hour, averaged, after that. Whoever has a name comes in as ever."""

PROMISES_MAX: Final = 50_000
"""Answers that wait for the disk (about 1 KiB each): while a disk hangs, past it what is to be stored is refused, as if the
disk were full. Members who ask as fast as they are served would otherwise fill our memory with it."""

PROMISES_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of lines that wait for the disk before the others get them."""

BUCKETS_MAX: Final = 10_000
"""Addresses whose rate is remembered; the one that was idle longest is forgotten first."""

# --- the help desk -------------------------------------------------------------------------------------------

GUESTS_MAX: Final = 8_192
"""Guests (people without a name of their own) in all; each costs about 1 KiB until it is forgotten."""

GUESTS_PER_ADDRESS: Final = 256
"""Guests of one address: a class behind one NAT comes in, one machine alone does not take every place."""

GUEST_KEPT_FOR: Final = 60.0
"""Seconds that a guest without a link is known: as long as a cookie may be used, so that no old REGISTER counts."""

DESK_QUEUES_MAX: Final = 16
"""Queues of one desk: they come from the registry's own configuration, and stand in one notice."""

DESK_QUEUE_NAME_MAX: Final = 32
"""Characters of a queue's name."""

DESK_MENU_MAX: Final = 32
"""Entries of the menu of issues."""

DESK_MENU_TEXT_MAX: Final = 100
"""Characters of one entry."""

DESK_FORM_NAME_MAX: Final = 64
"""Characters of a visitor's full name: enough for long ones, little in a line that thousands share."""

DESK_FORM_NUMBER_MAX: Final = 20
"""Characters of a telephone number: 15 digits (E.164) and what may stand between them."""

DESK_WAITING_MAX: Final = 2_048
"""Visitors in one queue: about 1 KiB of memory and disk each; past it newcomers are told that the line is full."""

DESK_VISITS_PER_ADDRESS: Final = 128
"""Visits of one address at once: one machine does not fill the line alone."""

DESK_LINES_MAX: Final = 1_000
"""Lines kept of one visit. Older ones that both have read are forgotten first; a hand-over passes what is kept."""

DESK_LINES_BYTES_MAX: Final = 4 * TEXT_MAX
"""Bytes of the lines kept of one visit, for the same use: four of the longest."""

DESK_WINDOW: Final = TEXT_MAX
"""Bytes of lines on their way to one reader, who has not confirmed them: less than would get their link cut."""

DESK_LINES_PER_SECOND: Final = 20.0
"""Lines a second that one visitor or operator may say, averaged: each costs a place on the disk and a notice."""

DESK_LINES_BURST: Final = 200.0
"""Lines at once: a text of so many lines may be pasted."""

DESK_NOTE_MAX: Final = 4_096
"""Bytes of an operator's note about a visitor."""

DESK_SHOWN_MAX: Final = 40
"""Visitors served, and waiting, in one answer to `.room`: with the longest names still under the size of a frame."""

DESK_SESSIONS_MAX: Final = 2_048
"""Sessions that are over and remembered, for a queue's figures of the day and its estimates."""

DESK_UNTOLD_MAX: Final = 256
"""Visitors taken out of the line who were away then: they are told of it when they come back."""

DESK_CONSOLE_LINES_MAX: Final = 1_000
"""Lines for the registry's own terminal that nobody has read: past it they are counted, not kept."""

DESK_TYPED_AHEAD_MAX: Final = 20_000
"""Lines typed at the registry's own terminal that wait for the answer to an earlier one: more than one read brings."""

# --- a peer --------------------------------------------------------------------------------------------------

CONTACTS_MAX: Final = NAMES_MAX
"""Rows of the table that a peer holds; a dishonest registry cannot grow it further."""

EVENTS_WAITING_MAX: Final = 10_000
"""Events that wait for whoever shows them (a terminal that is stopped, a bot that hangs). Past it nothing is taken from
anybody: not acknowledged and not lost, as if we were away."""

RECORDS_WAITING_MAX: Final = 10_000
"""Records that wait for a disk that takes none. Past it nothing is taken or sent, until it takes them."""

TEXTS_WAITING_MAX: Final = 32 * 1024 * 1024
"""Characters of the texts of those events, and of those records, past which it is the same: a line may have 64 KiB."""

HELD_TEXTS_MAX: Final = 16 * 1024 * 1024
"""Characters of all messages that wait for an earlier one of their sender. Past it the sender of most of it is shown out
of order: whoever leaves out numbers on purpose must not fill our memory with what comes behind them."""

GROUP_HELD_MAX: Final = 64
"""Group frames of senders whose row has not come yet, held until it does."""
