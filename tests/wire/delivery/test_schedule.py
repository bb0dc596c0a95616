"""The schedule: deadlines stay in order without a heap."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.delivery.parts import OutgoingMessage
from chatapp.wire.delivery.sender import Schedule

actions = st.lists(
    st.tuples(
        st.sampled_from(("begin", "postpone", "forget", "take")),
        st.integers(0, 9),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(actions)
def test_the_earliest_deadline_is_first(steps: list[tuple[str, int, int]]) -> None:
    schedule = Schedule(0.5)
    model: dict[int, float] = {}
    now = 0.0
    for action, number, pause in steps:
        now += pause / 8
        message = schedule.get(number)
        assert (message is not None) == (number in model)
        if action == "begin" and message is None:
            schedule.begin([OutgoingMessage(number, [], now)], now)
            model[number] = now + 0.5
        elif action == "postpone" and message is not None:
            schedule.postpone(message, now)
            model[number] = now + 0.5
        elif action == "forget":
            schedule.forget(number)
            model.pop(number, None)
        elif action == "take":
            taken = schedule.take(iter([(number, number + 3), (100, 10**15)]))
            expected = {other for other in model if number <= other < number + 3}
            assert {message.number for message in taken} == expected
            model = {other: at for other, at in model.items() if other not in expected}
        assert schedule.next_deadline() == min(model.values(), default=None)
        overdue = [message.number for message in schedule.overdue(now)]
        assert set(overdue) == {other for other, at in model.items() if at <= now}
    schedule.clear()
    assert schedule.next_deadline() is None


def test_the_first_try_is_written_down() -> None:
    message = OutgoingMessage(7, [], 0.0)
    assert message.sent_for(9.0) == 0.0
    Schedule(0.5).begin([message], 2.0)
    assert (message.tries, message.deadline, message.sent_for(9.0)) == (1, 2.5, 7.0)
