"""Incoming channel lines: shown once after they are stored, with missing positions and unknown
senders."""

from chatapp.peer.api.conversations import EVERYBODY
from chatapp.peer.api.events import SOMEBODY, LineLoss, LineUnreadable
from chatapp.peer.core.rooms.group import GAP_TIMEOUT
from chatapp.wire.codec import pack_group, unpack_group
from chatapp.wire.limits import GROUP_HELD_MAX
from chatapp.wire.messages.rooms import CHANNEL
from tests.peer.core.receiver_driver import BOB, CAROL, ReceiverDriver, logged, said


def test_a_line_is_shown_when_it_is_stored_and_its_place_is_remembered() -> None:
    driver = ReceiverDriver()
    assert driver.relayed(1, said(5, "one"))
    assert driver.shown() == []
    driver.store()
    (line,) = driver.lines()
    assert (line.conversation, line.sender, line.text) == (EVERYBODY, "bob", "one")
    assert not line.is_late
    assert driver.disk.load().groups[CHANNEL].cursor == 1


def test_a_line_of_an_unknown_station_waits_for_the_row() -> None:
    """Clause 8.4."""
    driver = ReceiverDriver(knows=(BOB,))
    assert not driver.relayed(1, said(5, "from carol", by=CAROL))
    assert driver.channel.cursor == 0
    driver.meet(CAROL)
    driver.store()
    assert driver.shown() == ["from carol"]
    assert driver.channel.cursor == 1


def test_a_bad_line_does_not_keep_others_from_being_read() -> None:
    """All lines wait for one row; then the first turns out to be forged."""
    driver = ReceiverDriver(knows=(BOB,))
    good, last = said(5, by=CAROL), said(6, "last", by=CAROL)
    bad = good[:-1] + bytes((good[-1] ^ 1,))
    driver.relayed(1, bad)
    driver.relayed(2, last)
    driver.meet(CAROL)
    assert driver.channel.is_gap_due(driver.now + GAP_TIMEOUT)
    driver.page(2, logged(1, bad, by=CAROL), logged(2, last, by=CAROL))
    assert len(driver.troubles()) == 1
    driver.store()
    assert driver.shown() == ["last"]


def test_lines_of_strangers_are_held_up_to_a_bound() -> None:
    driver = ReceiverDriver(knows=(BOB,))
    for number in range(1, GROUP_HELD_MAX + 10):
        driver.relayed(number, said(number, by=CAROL))
    assert len(driver.group_receiver._held_frames) == GROUP_HELD_MAX
    assert driver.channel.gap_due is not None  # the log has the rest


def test_a_line_in_an_epoch_that_we_missed_is_a_hole() -> None:
    driver = ReceiverDriver()
    header = unpack_group(said(5))
    assert driver.relayed(1, pack_group(header._replace(epoch=9)) + bytes(16))
    assert driver.channel.gap_due is not None


def test_all_that_was_missed_is_shown_and_not_only_the_last_of_each_sender() -> None:
    """Each line says that those before it are settled: that holds for their sender, not for members
    who were away."""
    driver = ReceiverDriver()
    driver.page(3, *(logged(at, said(at, f"line {at}")) for at in (1, 2, 3)))
    driver.store()
    assert driver.shown() == ["line 1", "line 2", "line 3"]


def test_a_line_that_is_said_before_the_log_has_come_waits_for_it() -> None:
    """Clause 8.5: so that order holds, and shown once though the log has it, too."""
    driver = ReceiverDriver()
    driver.catch_up.begin()
    driver.catch_up.is_mail_drained = True
    driver.relayed(3, said(7, "third"))
    driver.store()
    assert driver.shown() == []
    driver.page(
        2, logged(1, said(5, "first")), logged(2, said(4, "second", by=CAROL), by=CAROL), more=True
    )
    driver.store()
    driver.page(3, logged(3, said(7, "third")))
    driver.store()
    assert [(line.text, line.is_late and line.at) for line in driver.lines()] == [
        ("second", 4.0),
        ("first", 5.0),
        ("third", False),
    ]
    assert driver.disk.load().groups[CHANNEL].cursor == 3


def test_one_who_has_all_need_not_wait_for_a_senders_new_start() -> None:
    """The numbers jump with the clock; the floor says that nothing is missing between them."""
    driver = ReceiverDriver()
    driver.relayed(1, said(5, "old start"))
    driver.relayed(2, said(500, "new start"))
    driver.store()
    assert driver.shown() == ["old start", "new start"]


def test_a_line_of_the_log_that_does_not_open_is_told_of_and_passed() -> None:
    driver = ReceiverDriver()
    frame = said(5)
    driver.page(2, logged(1, frame[:-1] + bytes((frame[-1] ^ 1,))), logged(2, said(6, "good")))
    (told,) = driver.troubles()
    assert isinstance(told, LineUnreadable)
    assert (told.conversation, told.sender, told.reason) == (EVERYBODY, "bob", LineLoss.INVALID)
    driver.store()
    assert driver.shown() == ["good"]
    assert driver.channel.cursor == 2


def test_a_line_of_the_log_whose_author_is_gone_is_told_of_and_passed() -> None:
    driver = ReceiverDriver(knows=(BOB,))
    driver.page(2, logged(1, said(5, by=CAROL), by=CAROL), logged(2, said(6, "good")))
    (told,) = driver.troubles()
    assert isinstance(told, LineUnreadable)
    assert (told.sender, told.reason) == (SOMEBODY, LineLoss.AUTHOR_UNKNOWN)
    driver.store()
    assert driver.shown() == ["good"]
    assert driver.channel.cursor == 2
