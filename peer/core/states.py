"""This file is about the states of our registration: what can happen in which, and what its owner hears of it (clause 4).

One table says it all; an input that a state does not list is ignored, since datagrams come late and twice.
"""

import enum
from typing import Final


class State(enum.Enum):
    """Where our registration stands."""

    OFFLINE = "not registered, and not trying to be"
    GREETING = "HELLO sent, the COOKIE is awaited"
    REGISTERING = "REGISTER sent, WELCOME or REFUSED is awaited"
    REGISTERED = "the registry knows us and answers"
    PAUSING = "the registry does not answer; the next search is a moment away"
    LEAVING = "LEAVE sent, its answer is awaited"
    REFUSED = "the registry lets us not in"


class Input(enum.Enum):
    """What can happen to a registration."""

    START = "we want to be registered"
    COOKIE = "an authentic COOKIE came"
    WELCOME = "an authentic WELCOME came"
    REFUSED = "an authentic REFUSED came"
    UNANSWERED = "all tries of a question are over"
    PAUSED = "the pause between two searches is over"
    SILENCE = "the link broke or a ping stayed unanswered"
    LEAVE = "we want to be offline, and have been let in before: the registry may have us online"
    STOP = "we want to be offline, and were never let in"
    LEFT = "the registry confirmed that we left, or knows nothing of us any more"


TRANSITIONS: Final = {
    (State.OFFLINE, Input.START): State.GREETING,
    (State.REFUSED, Input.START): State.GREETING,
    (State.REGISTERED, Input.START): State.GREETING,
    (State.PAUSING, Input.START): State.GREETING,
    (State.LEAVING, Input.START): State.GREETING,
    (State.GREETING, Input.COOKIE): State.REGISTERING,
    (State.GREETING, Input.REFUSED): State.REFUSED,
    (State.GREETING, Input.UNANSWERED): State.PAUSING,
    (State.GREETING, Input.LEAVE): State.LEAVING,
    (State.GREETING, Input.STOP): State.OFFLINE,
    (State.REGISTERING, Input.WELCOME): State.REGISTERED,
    (State.REGISTERING, Input.REFUSED): State.REFUSED,
    (State.REGISTERING, Input.UNANSWERED): State.PAUSING,
    (State.REGISTERING, Input.LEAVE): State.LEAVING,
    (State.REGISTERING, Input.STOP): State.OFFLINE,
    (State.REGISTERED, Input.SILENCE): State.GREETING,
    (State.REGISTERED, Input.UNANSWERED): State.GREETING,
    (State.REGISTERED, Input.LEAVE): State.LEAVING,
    (State.PAUSING, Input.PAUSED): State.GREETING,
    (State.PAUSING, Input.LEAVE): State.LEAVING,
    (State.PAUSING, Input.STOP): State.OFFLINE,
    (State.LEAVING, Input.LEFT): State.OFFLINE,
    (State.LEAVING, Input.UNANSWERED): State.OFFLINE,
}


class Notice(enum.Enum):
    """What the session tells its owner, in order."""

    WELCOMED = "we are registered (again)"
    DENIED = "we are refused; `denied` says why"
    SILENT = "the registry answers no ping, by UDP or on the link: it is asked anew who is there before it counts as lost"
    LOST = "the registry does not answer"
    LEFT = "we left"
    LEAVE_UNANSWERED = "we left without an answer"
    WRONG_KEY = "the registry is lost, and another with a key of its own answers in its place: `stranger`"
    WRONG_CODE = "`stranger` answers at the first contact, and is not the registry that made our join code"
