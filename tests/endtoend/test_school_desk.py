"""The example of a school's help desk, with real programs."""

import re
from datetime import datetime, timedelta
from pathlib import Path

from tests.cast.desk import CONNECTED, ENDED, NAME
from tests.cast.lines import WELCOME, beginning
from tests.cast.stage import Stage

SCHOOL = Path(__file__).parents[2] / "docs" / "school.toml"
ALWAYS = {"CHATAPP_HOURS": "Mon-Sun 00:00-24:00"}
"""The test runs at any time of day."""


async def test_a_school_serves_two_lines_and_keeps_nothing_of_what_was_said(stage: Stage) -> None:
    registry = await stage.registry("--config", str(SCHOOL), environment=ALWAYS)
    for name in ("meera", "arjun", "office-1"):
        stage.note_code(await registry.sees(re.compile(rf"\[Operator {name}: .*\]")))
    meera, office = await stage.peer("meera"), await stage.peer("office-1")
    for one, queue in ((meera, "counsel"), (office, "office")):
        await one.sees(WELCOME)
        await one.type(f".on {queue}")
        await one.sees(f"[You are on duty at {queue}.]")
    pupil = await stage.visitor("asha", "--lang", "hi")
    await pupil.sees("[आपका पूरा नाम:]")
    await pupil.type("आशा राव", "9876543210", "4")
    await pupil.sees("[आप जुड़ गए हैं।]")
    await meera.sees_all("Name: आशा राव", "Issue: Not feeling well")
    parent = await stage.visitor("ben", "--queue", "office")
    await parent.sees(NAME)
    await parent.type("Ben", "9876543211", "5")
    await parent.sees(CONNECTED)
    await office.sees_all("Name: Ben", "Issue: Fees and scholarships")
    await office.type(".a fees", ".end")
    await parent.sees("office-1: Fees are paid in room 4, Monday to Thursday until 15:00.")
    await parent.sees(ENDED)
    await pupil.type("मेरे सिर में दर्द है")
    await meera.sees("आशा राव: मेरे सिर में दर्द है")
    await meera.type(".note to the nurse", ".end")
    await pupil.sees("[ऑपरेटर ने बातचीत समाप्त कर दी है। नमस्ते।]")
    await meera.sees("[Session with आशा राव ended.]")
    await meera.type(".past आशा राव")
    await meera.sees("[Past sessions: 1 of 1.]")
    await meera.sees(beginning("[आशा राव, "))
    await meera.sees_all("Note: to the nurse", "[What was said is not kept any more.]")


async def test_a_school_that_is_closed_says_when_it_opens(stage: Stage) -> None:
    day = datetime.now() + timedelta(days=3)
    hours = {"CHATAPP_HOURS": f"{day:%a} 08:30-12:30"}
    await stage.registry("--config", str(SCHOOL), environment=hours)
    pupil = await stage.visitor("asha")
    await pupil.sees(re.compile(r"\[The help desk is closed; it opens on .* at 08:30\.\]"))
    assert await pupil.ends() == 1
