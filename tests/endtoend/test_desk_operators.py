"""Who may serve at the help desk: operators, the registry's own terminal, and nobody else."""

import json
import re

from tests.cast import desk
from tests.cast.lines import LOST, beginning
from tests.cast.stage import CHATAPP, Stage


async def test_two_operators_and_one_of_them_is_killed(stage: Stage) -> None:
    await stage.registry(
        "--operator", "bob", "--operator", "eva", environment={"CHATAPP_OPERATOR_GRACE": "1"}
    )
    bob = await stage.operator("bob")
    ana = await stage.served("Ana", by=bob)
    eva = await stage.operator("eva")
    ben = await stage.served("Ben", by=eva)
    cem = await stage.joined("Cem", 1)
    await eva.type("to ben")
    await ben.sees("eva: to ben")
    assert ana.shown(beginning("eva: ")) == []
    await eva.kill()
    await ben.sees_all(
        "[The operator has lost the connection: you are next in line.]", desk.position(1)
    )
    await cem.sees(desk.position(2))
    await bob.type(".note knows it all", ".end")
    await ana.sees(desk.ENDED)
    await bob.gets("Ben")
    await ben.sees(desk.TURN)
    await ben.type("once more")
    await bob.sees("Ben: once more")
    eva = await stage.operator("eva")
    await eva.gets("Cem")
    await bob.type(".note wants a call", ".handover eva")
    await bob.sees_all("[Note about Ben kept.]", "[Ben was handed over.]")
    await eva.type(".end")
    await cem.sees(desk.ENDED)
    await eva.sees(beginning("[Handed-over client, from bob; waited "))
    await eva.sees_all("Name: Ben", "Note: wants a call", "Ben: once more")
    await eva.type("welcome")
    await ben.sees("eva: welcome")


async def test_an_operator_whose_program_dies_in_a_session_reads_all_of_it_again(
    stage: Stage,
) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    ana = await stage.served("Ana", by=bob)
    await ana.type("which book?")
    await bob.sees("Ana: which book?")
    await bob.type("the red one")
    await ana.sees("bob: the red one")
    await bob.kill()
    bob = await stage.peer("bob")
    await bob.sees(beginning("[Your client; waited "))
    await bob.sees_all("Name: Ana", "Ana: which book?", "bob: the red one")
    await ana.type("thank you")
    await bob.sees("Ana: thank you")
    assert bob.shown()[-3:] == ["Ana: which book?", "bob: the red one", "Ana: thank you"]


async def test_windows_that_go_on_after_a_kill_tell_the_talk_once(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    windows = [await stage.peer("bob") for _ in range(2)]
    for window in windows:
        await window.sees(beginning("[Second window of bob"))
    ana = await stage.served("Ana", by=bob)
    await ana.type("which book?")
    await bob.sees("Ana: which book?")
    await bob.type("the red one")
    for window in windows:
        await window.sees("bob: the red one")
    await windows[0].type("or the blue one")
    await windows[1].sees("bob: or the blue one")
    await ana.sees("bob: or the blue one")
    await bob.kill()
    await ana.type("thank you")
    talk = ["Ana: which book?", "bob: the red one", "bob: or the blue one", "Ana: thank you"]
    for window, told in zip(windows, ([*talk[:2], talk[3]], talk), strict=True):
        await window.sees("Ana: thank you")
        assert window.shown(lambda line: line == "Name: Ana" or line in talk) == [
            "Name: Ana",
            *told,
        ]


async def test_people_who_are_not_operators(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    eve = await stage.come("eve")
    for command in (
        ".on",
        ".room",
        ".next",
        ".end",
        ".drop 1",
        ".move 1 2",
        ".handover bob",
        ".note x",
        ".stats",
    ):
        await eve.type(command)
        await eve.sees("[Only help-desk operators can do that.]")


async def test_a_person_who_takes_an_operators_name_without_the_code_is_not_an_operator(
    stage: Stage,
) -> None:
    registry = await stage.registry("--operator", "Bob")
    kept = beginning(
        "[Not registered: this name is kept for an operator of the help desk: start once with"
    )
    wrong = "[Not registered: this join code is used up, too old or not of this server.]"
    code, stage.codes = stage.codes["Bob"], {}
    for name, why, options in (
        ("bob", kept, {}),
        ("b0b", "[Name b0b is taken.]", {}),
        ("b0b", "[Name b0b is taken.]", {"CHATAPP_CODE": code}),
    ):
        mallory = await stage.peer(name, home="mallory", environment=options)
        await mallory.sees(why)
        assert await mallory.ends() == 1
    eve = await stage.come("eve")
    await eve.type("/nickname bob")
    await eve.sees(
        "[You cannot be called bob: the server keeps it for an operator of the help desk.]"
    )
    bob = await stage.come("bob", environment={"CHATAPP_CODE": code})
    await bob.type(".on")
    await bob.sees(desk.ON_DUTY)
    await bob.type("/nickname robert", ".off", ".on")
    await bob.sees_all("[You are robert now.]", "[You are off duty.]", desk.ON_DUTY)
    await bob.type("/nickname bob", "quit")
    assert await bob.ends() == 0
    again = await stage.peer("bob", home="mallory", environment={"CHATAPP_CODE": code})
    await again.sees("[Name bob is taken.]")
    await registry.stops()
    stage.codes = {}
    registry = await stage.registry("--operator", "Bob")
    assert not stage.codes
    (line,) = registry.shown(beginning("[Operator Bob: the key "))
    bob = await stage.come("bob")
    listed = await stage.output_of("names", "list")
    assert line.removeprefix("[Operator Bob: the key ")[:39] in str(listed)
    await registry.stops()
    assert wrong not in bob.shown()


async def test_an_operator_is_named_by_key(stage: Stage) -> None:
    registry = await stage.registry()
    eva = await stage.come("eva")
    listed = await stage.output_of("names", "list")
    key = re.search(r"(?:[0-9a-f]{4} ){8}", str(listed))
    assert key is not None
    await registry.stops()
    await eva.sees(LOST)
    await stage.begin_registry("--operator", key[0].strip())
    await eva.sees("[Server is back.]")
    await eva.type(".on")
    await eva.sees(desk.ON_DUTY)


async def test_figures_for_people_and_for_scripts(stage: Stage) -> None:
    await stage.registry("--operator", "bob", "--operator", "wall")
    bob = await stage.operator()
    await stage.served("Ana", by=bob)
    await stage.joined("Ben", 1)
    await bob.type(".stats")
    await bob.sees(
        re.compile(
            r"\[Served today \d; median wait 0 s, 90th percentile 0 s; waiting now 1, longest \d+ s; "
            r"operators on duty 1\.\]"
        )
    )
    asked = ["stats", "127.0.0.1", str(stage.port), "--as", "wall", "--json"]
    figures = await stage.run(
        "figures",
        [*CHATAPP, *asked],
        home="wall",
        environment={"CHATAPP_CODE": stage.codes["wall"]},
    )
    assert await figures.ends() == 0
    (shown,) = figures.shown()
    assert json.loads(shown) | {"served_today": 0, "longest_waiting": 0} == {
        "queue": "desk",
        "served_today": 0,
        "median_wait": 0,
        "ninetieth_wait": 0,
        "longest_waiting": 0,
        "waiting": 1,
        "operators": 1,
        "rated": 0,
        "mean_rating": 0,
    }


async def test_the_registry_s_own_terminal_serves(stage: Stage) -> None:
    registry = await stage.registry()
    ana = await stage.registrant("Ana")
    await ana.sees(desk.CONNECTED)
    await registry.sees_all("Name: Ana", "Number: +919876543210", "Issue: Other")
    ben = await stage.joined("Ben", 1)
    await ana.type("é ✓")
    await registry.sees(re.compile(".*: é ✓"))
    await registry.type("how can I help?", ".next")
    await ana.sees(re.compile(".*: how can I help\\?"))
    await ana.sees(desk.ENDED)
    await ben.sees(desk.TURN)
    await registry.sees("Name: Ben")


async def test_a_registry_whose_standard_input_is_closed_serves_and_ends_in_order(
    stage: Stage,
) -> None:
    command = ["sh", "-c", 'exec "$@" <&-', "sh", *CHATAPP, "-s", str(stage.port)]
    registry = await stage.run("registry", command, home="registry")
    await registry.sees(beginning("[Registry listening"))
    ana = await stage.registrant("Ana")
    await ana.sees_all(desk.position(1), "[Nobody is serving just now; your place is kept.]")
    await registry.stops()


async def test_menu_region_and_queues_come_from_the_configuration(stage: Stage) -> None:
    file = stage.folder / "chatapp.toml"
    file.write_text(
        '[desk]\nqueues = ["front", "exams"]\nmenu = ["Größe", "Other"]\nregion = "DE"\noperators = ["bob"]\n'
    )
    registry = await stage.registry("--config", str(file))
    stage.note_code(await registry.sees(beginning("[Operator bob: ")))
    ana = await stage.visitor("ana", "--queue", "maths")
    await ana.sees('[There is no queue "maths" here; there are front and exams.]')
    assert await ana.ends() == 1
    ana = await stage.visitor("ana", "--queue", "exams")
    await ana.type("Ana", "01512 3456789", "1")
    await ana.sees_all("[1 Größe]", "[2 Other]", desk.position(1))
    bob = await stage.come("bob")
    await bob.type(".room", ".room exams", ".next exams")
    await bob.sees_all(
        desk.EMPTY, re.compile("1. Ana, Größe, waiting since .*"), "Number: +4915123456789"
    )
    await ana.sees(desk.TURN)


async def test_a_wrong_configuration_is_one_line_and_status_2(stage: Stage) -> None:
    file = stage.folder / "chatapp.toml"
    file.write_text("[desk]\nkeep_place = -1\n")
    for arguments in (
        ["-s", str(stage.port), "--config", str(file)],
        ["config", "--check", str(file)],
    ):
        assert await stage.output_of(*arguments, home="wrong", status=2) == [
            f"ChatApp: {file}: [desk] keep_place = -1: must be seconds from 1 to 86400"
        ]
