"""The scenes of the demo: what people type, and what they must see."""

import re
import signal
from typing import Final

from examples import web
from examples.theatre import Actor, Stage, StepFailed, Wanted

FULL_SCREEN: Final = ("textual", "pyte")
"""The library of the full screen, and the one that reads a terminal."""

UPDATED: Final = "[Client table updated.]"
WELCOME: Final = "[Welcome, You are registered.]"
BYE: Final = "[You are Offline. Bye.]"
NO_ACK: Final = "[No ACK from carol, message sent to server.]"
SAVED: Final = "[Messages received by the server and saved]"
MAIL: Final = "[You have messages]"
LOST: Final = "[Server not responding] Direct chat goes on."
KEPT: Final = "[Server not responding] Message to carol kept; it goes out when the server is back."
BACK: Final = "[Server is back.]"
MISSED_IN_THE_LAB: Final = (
    re.compile(r"\[You are in lab.*"),  # perhaps with others who came back first
    re.compile(r"alice \(in lab\): .*The lab stays open"),
)
"""What Carol sees in the room when she is back."""
LATE: Final = re.compile(r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
"""The time in a line of mail."""


async def come_in(stage: Stage, alice_code: str) -> list[Actor]:
    """Start three people, and return them once everybody knows all. Alice is an operator of the
    help desk."""
    people: list[Actor] = []
    for name in ("alice", "bob", "carol"):
        codes = {"CHATAPP_CODE": alice_code} if name == "alice" else {}
        newcomer = await stage.person(name, **codes)
        await newcomer.sees(WELCOME)
        people.append(newcomer)
        for person in people:
            await person.sees(UPDATED)
    return people


async def conversation(people: list[Actor]) -> None:
    """Everybody writes to everybody, including themself."""
    for sender in people:
        for recipient in people:
            await says(
                sender,
                recipient,
                f"Hello {recipient.name.capitalize()}, this is {sender.name.capitalize()}",
            )


async def write_to_absent_carol(alice: Actor, bob: Actor, carol: Actor) -> None:
    """Carol goes offline, and two people write to her."""
    await carol.types("dereg carol")
    await carol.sees(BYE)
    for person, said in ((alice, "Lunch at noon?"), (bob, "I have your book")):
        await person.types(f"send carol {said}")
        await person.sees(NO_ACK, SAVED)


async def return_to_mail(person: Actor, *mail: Wanted) -> None:
    """Somebody comes back online and sees this mail."""
    await person.types(f"/reg {person.name}")
    await person.sees(WELCOME, MAIL, *mail)


async def tell_everybody(alice: Actor, bob: Actor, carol: Actor) -> None:
    """Bob writes to everybody."""
    await bob.types("send_all The bus leaves at five")
    await bob.sees("[Message received by Server.]")
    for person in (alice, carol):
        await person.sees("[Channel_Message bob: The bus leaves at five]")


async def meet_in_the_lab(people: list[Actor]) -> None:
    """Everybody joins the room, and Alice says something there."""
    alice, *others = people
    for number, person in enumerate(people):
        await person.types("join lab")
        await person.sees(re.compile(r"\[You are in lab.*"))
        for earlier in people[:number]:
            await earlier.sees(f"{person.name} joined lab.")
    await alice.types("The microscope is free")
    for person in others:
        await person.sees("alice (in lab): The microscope is free")


async def outlive(registry: Actor, alice: Actor, bob: Actor, carol: Actor) -> None:
    """The registry is killed. Alice and Bob are told, and go on talking."""
    await carol.types("/dereg carol")
    await carol.sees(BYE)
    for person in (alice, bob):
        await person.sees("carol left lab.")
    registry.send(signal.SIGKILL)
    await registry.ends(-signal.SIGKILL)
    await says(alice, bob, "Still there?", spelling="/dm")
    await says(bob, alice, "Still here", spelling="/dm")
    for person in (alice, bob):
        await person.sees(LOST)
    await alice.types("The lab stays open")
    await bob.sees("alice (in lab): The lab stays open")


async def keep_for_carol(alice: Actor) -> None:
    """Alice writes to Carol while neither Carol nor the registry can be reached."""
    await alice.types("/dm carol See you tomorrow")
    await alice.sees(KEPT)


async def hear_of_it(alice: Actor, bob: Actor) -> None:
    """The registry is back, and saves the message that Alice kept."""
    for person in (alice, bob):
        await person.sees(BACK)
    await alice.sees(NO_ACK, SAVED)


async def rename_bob(alice: Actor, bob: Actor, carol: Actor) -> None:
    """Bob changes his name, and keeps his key, room and contacts."""
    await bob.types("/nickname Robert")
    await bob.sees("[You are Robert now.]")
    for person in (alice, carol):
        await person.sees("bob is now Robert")
    await alice.types("/dm Robert It suits you")
    await bob.sees("alice: It suits you")
    await alice.sees("[Message received by Robert.]")


async def serve(stage: Stage, alice: Actor) -> None:
    """Alice serves a visitor, who fills in the form, asks, and gets an answer."""
    await alice.types("/leave")
    await alice.sees(re.compile(r"\[You .*lab.*"))
    await alice.types(".on")
    await alice.sees("[You are on duty at desk.]")
    visitor = await stage.visitor("asha")
    for question, answer in (
        ("[Your full name:]", "Asha Rao"),
        ("[Your mobile number:]", "9876543210"),
        ("[What is it about? Type its number:]", "6"),
    ):
        await visitor.sees(question)
        await visitor.types(answer)
    await visitor.sees("[You are connected.]")
    await alice.sees("Name: Asha Rao", "Issue: Other")
    await visitor.types("Which form do I need?")
    await alice.sees("Asha Rao: Which form do I need?")
    await alice.types("The blue one")
    await visitor.sees("alice: The blue one")
    await alice.types(".end")
    await visitor.sees("[The operator has ended the session. Bye.]")
    await visitor.ends(0)


async def serve_a_browser(stage: Stage, alice: Actor) -> None:
    """Alice serves a visitor who has nothing but a browser."""
    desk, port = await web.web_desk(stage)
    visitor = web.WebVisitor(stage.play, "meera", port)
    await visitor.sees("How can we help?")
    await visitor.posts("join", {**web.FORM, "number": "12"})
    await visitor.posts("join", web.FORM)
    await visitor.sees("You are talking with alice")
    await alice.sees("Name: Meera Iyer", "Issue: Financial Suggestions")
    await visitor.posts("say", {"text": "Is the office open today?"})
    await alice.sees("Meera Iyer: Is the office open today?")
    desk.send(signal.SIGKILL)
    await desk.ends(-signal.SIGKILL)
    await alice.types("Until five")
    again, port = await web.web_desk(stage, port=port, is_known=True)
    await visitor.sees("Is the office open today?")
    await visitor.sees("Until five")
    await alice.types(".end")
    await visitor.sees("Thank you for your visit")
    again.send(signal.SIGTERM)
    await again.ends(0)


async def serve_from_a_page(stage: Stage, alice: Actor) -> None:
    """Alice serves a visitor at her terminal, then opens her page in a browser and goes on
    there."""
    visitor = await web.typed_visitor(stage, "Tara Bose", "9876543213", "1")
    await visitor.sees("[You are connected.]")
    await visitor.types("Where do I pay the fee?")
    await alice.sees("Tara Bose: Where do I pay the fee?")
    program, address = await web.operator_page(stage, "alice")
    page = web.WebOperator(stage.play, "alice's page", address)
    await page.opens()
    shown = await page.sees("Tara Bose", "+919876543213", "Where do I pay the fee?")
    visit = web.visit_in(shown)
    await page.does("do/say", with_="desk", visit=visit, text="At the counter, or by card")
    await visitor.sees("alice: At the counter, or by card")
    await page.does("desk/end", visit=visit)
    await visitor.sees("[The operator has ended the session. Bye.]")
    await visitor.ends(0)
    program.send(signal.SIGTERM)
    await program.ends(0)


async def sign_in_at_the_web_desk(stage: Stage, carol: Actor) -> None:
    """Erin has nothing but a browser, and is a person like the others."""
    desk, port = await web.web_desk(stage, "--members", "5", is_known=True)
    await desk.sees("[Members can sign in: 0 of 5 accounts are made.]")
    erin = web.WebMember(stage.play, "erin", port)
    await erin.joins("correct horse battery staple")
    await erin.does("open", with_="person:carol")
    await carol.types("/msg erin Are you coming on Friday?")
    await carol.sees("[Message received by erin.]")
    await erin.sees("Are you coming on Friday?")
    await erin.does("say", with_="person:carol", text="Yes, by bus")
    await carol.sees("erin: Yes, by bus")
    desk.send(signal.SIGTERM)
    await desk.ends(0)


async def look_at_the_full_screen(stage: Stage, carol: Actor) -> None:
    """Dana comes with the full screen, reads a line of Carol, and sees the mark of her answer."""
    from examples.seat import seat  # needs pyte, which only the tests install

    async with seat("dana", stage, stage.folder / "dana", "--full") as dana:
        await dana.sees("carol")
        await carol.types("/msg dana Can you see my lines?")
        await carol.sees("[Message received by dana.]")
        dana.types("/msg carol Yes, beside their marks\r")
        for text in ("Can you see my lines?", "Yes, beside their marks", "✓"):
            await dana.sees(text)
            stage.play.tell("dana", "saw", text)
            stage.play.checks += 1
        await carol.sees("dana: Yes, beside their marks")


async def go_home(registry: Actor, people: list[Actor]) -> None:
    """Everybody quits, and the registry is stopped."""
    for person in people:
        await person.types("/quit")
    for person in people:
        await person.ends(0)
    registry.send(signal.SIGTERM)
    await registry.ends(0)


async def says(sender: Actor, recipient: Actor, text: str, *, spelling: str = "send") -> None:
    """Send one direct message and see it arrive. In a room, the spelling needs its sign."""
    await sender.types(f"{spelling} {recipient.name} {text}")
    await recipient.sees(f"{sender.name}: {text}")
    await sender.sees(f"[Message received by {recipient.name}.]")


def check_once(people: list[Actor]) -> None:
    """Check that nobody saw a message twice. Raises StepFailed."""
    for person in people:
        said = [
            LATE.sub(" ", line)
            for line in person.seen
            if (line[0] != "[" and ": " in line) or line.startswith("[Channel_Message")
        ]
        twice = {line for line in said if said.count(line) > 1}
        if twice:
            raise StepFailed(f"{person.name} saw twice: {', '.join(sorted(twice))}")


def late(sender: str, text: str) -> re.Pattern[str]:
    """Match a line of mail."""
    return re.compile(re.escape(f"{sender}:") + LATE.pattern + re.escape(text))
