"""This file is about every cap on what a stranger can make us hold or do: the number, the threat and the reason.

It knows numbers only. A limit that follows from another one is written as a sum, never as a second literal.
"""

from typing import Final

# --- sizes on the wire -------------------------------------------------------------------------------------

DATAGRAM_MAX: Final = 1_200
"""Bytes of a UDP payload. 1,280 (the least MTU of IPv6, RFC 8200 section 5) less headers: never fragmented by IP."""

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

LINK_IDLE_TIMEOUT: Final = 150.0
"""Seconds without a byte after which a link is closed: half-open connections of vanished machines go away."""

LINK_KEEPALIVE_SPAN: Final = LINK_IDLE_TIMEOUT / 3
"""Seconds of silence after which a peer says something on its link, three times before it would be closed."""

LINKS_WAITING_PER_ADDRESS: Final = 16
"""Connections of one address that have not proved themselves; the oldest is closed for a newer one, so a flood of
silent connections never keeps out a real peer behind the same address (a classroom behind one NAT)."""

LINKS_WAITING_IN_ALL: Final = 512
"""The same over all addresses: below the usual limit of 1,024 descriptors."""

# --- the registry --------------------------------------------------------------------------------------------

NAMES_MAX: Final = 100_000
"""Names bound at one registry; each costs about 1 KiB of memory for ever. Past it newcomers are told `full`."""

MAILBOX_LETTERS_MAX: Final = 128
"""Letters waiting for one recipient."""

MAILBOX_BYTES_MAX: Final = 256 * 1024
"""Bytes of letters waiting for one recipient."""

MAILBOX_LETTERS_PER_SENDER: Final = 32
"""Letters of one sender in one mailbox: nobody fills another's mailbox alone."""

MAIL_KEPT_FOR: Final = 21 * 86_400.0
"""Seconds that a letter waits; as long as the old mail keys of a peer are kept."""

GROUP_KEPT_FOR: Final = 7 * 86_400.0
"""Seconds that a line of the channel or of a room is kept for those who are away."""

GROUP_LINES_MAX: Final = 10_000
"""Lines kept in one group's log."""

GROUP_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes kept in one group's log."""

REQUESTS_PER_SECOND: Final = 5_000.0
"""Frames a second that one link is served, averaged; a faster one is read more slowly, nothing is dropped."""

REQUESTS_BURST: Final = 10_000.0
"""Frames that one link may send at once."""

REGISTERS_PER_SECOND: Final = 200.0
"""REGISTER datagrams a second and address whose signature is checked (about 0.1 ms each); the rest is dropped."""

REGISTERS_BURST: Final = 2_000.0
"""REGISTER datagrams of one address at once: a classroom behind one NAT that comes back after a power cut."""

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

DESK_CONSOLE_LINES_MAX: Final = 1_000
"""Lines for the registry's own terminal that nobody has read: past it they are counted, not kept."""

# --- a peer --------------------------------------------------------------------------------------------------

CONTACTS_MAX: Final = NAMES_MAX
"""Rows of the table that a peer holds; a dishonest registry cannot grow it further."""

GROUP_HELD_MAX: Final = 64
"""Group frames of senders whose row has not come yet, held until it does."""
