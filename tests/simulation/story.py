"""The story of a world, as a seed tells it: who does what next, and what happens to them.

All that people, visitors and operators do, and all hazards, are in every story; what there is most
of differs, so that some worlds write letters, some sit in rooms, and some wait at the desk.
"""

import random
from collections.abc import Callable
from typing import Final

from chatapp.wire.limits import ROWS_TOLD_WHOLE
from tests.simulation import closing, deeds, deskdeeds, hazards
from tests.simulation.hazards import HAZARD_WEIGHTS, HAZARDS, weather_of
from tests.support.cluster.cluster import SimulatedCluster
from tests.support.guests import Guest
from tests.support.people import NEWEST_LINES, Person
from tests.support.world import World

Act = Callable[[World, random.Random], None]
PAUSES: Final = (0.0, 0.01, 0.3, 2.0)
LONG_PAUSES: Final = (*PAUSES, 4.0)
STOP_SHARE: Final = 0.1
"""Of the steps of a world in which the registry is stopped, the share at which it is."""
CLUSTER_SHARE: Final = 0.1
"""Of the steps of a world with a cluster, the share at which something happens to its nodes, its
bus or its broker."""
TOPIC_SHARE: Final = 0.1
"""Of the steps of a world, the share at which somebody sets the topic of their room, if they are in
one."""

CHANGE_SHARES: Final = (0.0, 0.3, 1.0)
"""Of the steps of a world, the share at which somebody says something about a line or changes it:
one of these for each world."""
CHANGES_AT_ONCE: Final = 3
EDIT_SHARE: Final = 0.8
"""Of the changes at the desk, the share that takes nothing back."""
CANCEL_SHARE: Final = 0.2
"""Of these, the share that gives up a line which is under way."""

REPLAYED_SHARE: Final = 0.5
"""The share of worlds in which a stranger sends everything again, until the end."""

INTEREST_SHARE: Final = 0.4
"""The share of worlds in which people are told only of those whom they watch, always or while more
than a few are online."""

HOLD_SHARE: Final = 0.2
"""Of the steps of a world with visitors, the share at which others are let go first, or no more."""
SIDE_SHARE: Final = 0.15
"""Of the steps of a world with visitors, the share at which a second queue, the opening or a rating
is concerned."""


def _one(world: World, chance: random.Random) -> Person:
    return chance.choice(world.people)


def _operator(world: World, chance: random.Random) -> Person:
    return chance.choice(deskdeeds.operators_of(world))


def _position(world: World, chance: random.Random) -> int:
    return chance.randint(1, max(len(world.guests), 1))


def _visitors(do: Callable[[World, Guest], None]) -> Act:
    """Return any visitor, if there is one."""

    def act(world: World, chance: random.Random) -> None:
        if world.guests:
            do(world, chance.choice(world.guests))

    return act


def _change_lines(world: World, chance: random.Random, share: float) -> None:
    """Let people say something about lines and change them, at this share of steps."""
    if chance.random() < share:
        for _ in range(chance.randint(1, CHANGES_AT_ONCE)):
            one, place = _one(world, chance), chance.randrange(NEWEST_LINES)
            if chance.random() < CANCEL_SHARE:
                deeds.cancel(world, one, place)
            else:
                deeds.say_about(world, one, place, chance.choice(deeds.KINDS))


def _change_at_desk(world: World, chance: random.Random, share: float) -> None:
    """Let visitors and operators change what they said to each other, at this share of steps."""
    if not world.guests or chance.random() >= share:
        return
    place, is_edit = chance.randrange(NEWEST_LINES), chance.random() < EDIT_SHARE
    if chance.random() < 0.5:
        guest = chance.choice(world.guests)
        deskdeeds.visitor_changes(world, guest, place, is_edit=is_edit)
    else:
        operator = _operator(world, chance)
        deskdeeds.change_on_duty(world, operator, place, is_edit=is_edit)


WRITING: Final[tuple[tuple[Act, int], ...]] = (
    (lambda world, chance: deeds.say(world, _one(world, chance), _one(world, chance)), 60),
    (lambda world, chance: deeds.say_to_all(world, _one(world, chance)), 8),
    (lambda world, chance: deeds.leave_or_return(world, _one(world, chance)), 6),
    (lambda world, chance: deeds.crash_or_start(world, _one(world, chance)), 3),
    (lambda world, chance: deeds.end_program(world, _one(world, chance)), 2),
    (lambda world, chance: deeds.rename(world, _one(world, chance), chance.randint(0, 3)), 4),
)
SITTING: Final[tuple[tuple[Act, int], ...]] = (
    (
        lambda world, chance: deeds.say_in_room(world, _one(world, chance), chance.randrange(6)),
        40,
    ),
    (lambda world, chance: deeds.enter(world, _one(world, chance), chance.choice(deeds.ROOMS)), 14),
    (lambda world, chance: deeds.go_out(world, _one(world, chance), chance.choice(deeds.ROOMS)), 8),
)
WAITING: Final[tuple[tuple[Act, int], ...]] = (
    (deskdeeds.visitor_comes, 14),
    (_visitors(deskdeeds.visitor_says), 14),
    (_visitors(deskdeeds.visitor_gives_up), 1),
    (_visitors(deskdeeds.visitor_quits), 1),
    (_visitors(deskdeeds.visitor_asks), 2),
    (lambda world, chance: deskdeeds.take_duty(world, _operator(world, chance)), 6),
    (lambda world, chance: deskdeeds.end_duty(world, _operator(world, chance)), 1),
    (lambda world, chance: deskdeeds.call_next(world, _operator(world, chance)), 4),
    (lambda world, chance: deskdeeds.end_session(world, _operator(world, chance)), 3),
    (lambda world, chance: deskdeeds.look(world, _operator(world, chance)), 2),
    (
        lambda world, chance: deskdeeds.drop(
            world, _operator(world, chance), _position(world, chance)
        ),
        1,
    ),
    (
        lambda world, chance: deskdeeds.move(
            world, _operator(world, chance), _position(world, chance), _position(world, chance)
        ),
        3,
    ),
    (
        lambda world, chance: deskdeeds.hand_over(
            world, *chance.sample(deskdeeds.operators_of(world), 2)
        ),
        3,
    ),
    (lambda world, chance: deskdeeds.say_on_duty(world, _operator(world, chance)), 12),
)
HOLDING: Final[tuple[Act, ...]] = (
    _visitors(
        lambda world, guest: deskdeeds.visitor_lets_others_go_first(world, guest, is_paused=True)
    ),
    _visitors(
        lambda world, guest: deskdeeds.visitor_lets_others_go_first(world, guest, is_paused=False)
    ),
    lambda world, chance: deskdeeds.put_on_hold(world, _operator(world, chance)),
)
ASIDE: Final[tuple[Act, ...]] = (
    lambda world, chance: deskdeeds.transfer(
        world, _operator(world, chance), chance.choice(world.registry.desk.queues)
    ),
    lambda world, chance: deskdeeds.take_duty(
        world, _operator(world, chance), chance.choice(world.registry.desk.queues)
    ),
    lambda world, chance: deskdeeds.close_queue(world, _operator(world, chance)),
    lambda world, chance: deskdeeds.open_queue(world, _operator(world, chance)),
    lambda world, chance: deskdeeds.visitor_rates(
        world, chance.choice(world.guests), chance.randint(1, 5)
    ),
)
KINDS: Final = (WRITING, SITTING, WAITING)
TEMPERS: Final = ((6, 1, 1), (2, 6, 1), (1, 1, 6), (3, 3, 3))
"""How often each kind of action occurs in a world."""


def _tell_only_of_some(world: World, chance: random.Random, share: float) -> None:
    """In a share of worlds, tell people only of those whom they watch."""
    if chance.random() < share:
        world.registry.broadcast_up_to = chance.choice((0, 1, 2))


def live_through(
    seed: int,
    *,
    stops: bool = True,
    disk_fails: bool = True,
    fails_over: bool = True,
    replays: bool = True,
    changes: bool = True,
    interest: bool = True,
    nodes: int = 1,
) -> World:
    """Play a world from its beginning to the calm after it. `stops`: in half of the worlds the
    registry is stopped now and then. `disk_fails`: in half of them its syncs fail now and then.
    `fails_over`: in half of them the registry's node dies now and then, and another one takes over.
    `replays`: in half of them a stranger sends everything again. `changes`: in most of them people
    answer and change what was said, and in half of all even two rows are told as a roster.
    `interest`: in some of them not everybody is told of everybody. Each has a source of chance of
    its own that decides when, so the rest of the story is told by the seed. `nodes`: 1, or those of
    a cluster."""
    chance = random.Random(seed)
    stopping = random.Random(f"stops {seed}")
    stop_share = stopping.choice((0.0, STOP_SHARE)) if stops else 0.0
    failing = random.Random(f"disk {seed}")
    fail_share = failing.choice((0.0, STOP_SHARE)) if disk_fails else 0.0
    moving = random.Random(f"moves {seed}")
    move_share = moving.choice((0.0, STOP_SHARE)) if fails_over else 0.0
    holding = random.Random(f"holds {seed}")
    aside = random.Random(f"aside {seed}")
    topics = random.Random(f"topics {seed}")
    replaying = random.Random(f"replays {seed}")
    changing = random.Random(f"changes {seed}")
    change_share = changing.choice(CHANGE_SHARES) if changes else 0.0
    rewording = random.Random(f"rewording {seed}")
    meddling = random.Random(f"cluster {seed}")
    world = World(seed, people=chance.randint(2, 4), desk=deskdeeds.settings(chance), nodes=nodes)
    if changes:
        world.registry.rows_whole = changing.choice((1, ROWS_TOLD_WHOLE))
    _tell_only_of_some(world, random.Random(f"interest {seed}"), INTEREST_SHARE * interest)
    deskdeeds.appoint(world)
    world.start()
    if replays and replaying.random() < REPLAYED_SHARE:
        hazards.somebody_replays_everything(world, replaying)
    world.network.run_for(2.0)
    temper = chance.choice(TEMPERS)
    acts = [act for kind in KINDS for act, _ in kind]
    weights = [
        share * weight / sum(w for _, w in kind)
        for kind, share in zip(KINDS, temper, strict=True)
        for _, weight in kind
    ]
    if chance.random() < temper[1] / sum(temper):
        for person in world.people[: chance.randint(1, 4)]:
            for room in chance.sample(deeds.ROOMS, chance.randint(1, len(deeds.ROOMS))):
                deeds.enter(world, person, room)
    world.network.weather = weather_of(chance)
    pauses = chance.choice((PAUSES, LONG_PAUSES))
    if isinstance(world.registry, SimulatedCluster):
        hazards.bus_changes(world.registry, meddling)
    for _ in range(chance.randint(10, 50)):
        if chance.random() < 0.3:
            (act,) = chance.choices(HAZARDS, HAZARD_WEIGHTS)
        else:
            (act,) = chance.choices(acts, weights)
        if topics.random() < TOPIC_SHARE:
            deeds.set_topic(world, _one(world, topics), topics.choice(deeds.ROOMS))
        _change_lines(world, changing, change_share)
        if world.guests and holding.random() < HOLD_SHARE:
            holding.choice(HOLDING)(world, holding)
        if world.guests and aside.random() < SIDE_SHARE:
            aside.choice(ASIDE)(world, aside)
        _change_at_desk(world, rewording, change_share)
        if stopping.random() < stop_share:
            hazards.registry_stops(world, stopping)
        if failing.random() < fail_share:
            hazards.disk_fails(world, failing)
        if moving.random() < move_share:
            hazards.registry_fails_over(world, moving)
        if isinstance(world.registry, SimulatedCluster) and meddling.random() < CLUSTER_SHARE:
            meddling.choice(hazards.CLUSTER_HAZARDS)(world.registry, meddling)
        act(world, chance)
        world.check()
        world.check_now_and_then()
        world.network.run_for(chance.choice(pauses))
    closing.come_to_rest(world)
    return world


def try_seed(
    seed: int,
    *,
    stops: bool = True,
    disk_fails: bool = True,
    fails_over: bool = True,
    replays: bool = True,
    changes: bool = True,
    interest: bool = True,
    nodes: int = 1,
) -> None:
    """Check the promise in the world of this seed; a failure names the seed."""
    again = f"repeat it with CHATAPP_SEED={seed}" + (f" CHATAPP_NODES={nodes}" if nodes > 1 else "")
    try:
        world = live_through(
            seed,
            stops=stops,
            disk_fails=disk_fails,
            fails_over=fails_over,
            replays=replays,
            changes=changes,
            interest=interest,
            nodes=nodes,
        )
        closing.check_end(world)
    except AssertionError as error:
        raise AssertionError(f"seed {seed} ({again}): {error}") from error
    except Exception as error:
        raise RuntimeError(f"seed {seed} ({again})") from error
