"""This file is about the help desk: one line of visitors a queue, operators who serve one of them each (clause 13).

A **visitor** comes in as a guest (clause 13.1): REGISTER with a card whose name is empty, then a link. The registry's
first notice on that link is `DeskShown`, and it serves a guest nothing but what stands here, Ping and Leave. An
**operator** is a member whose name the registry was given as one; its first notices on a link are as any member's, and
then `DutyTold`.

One stay of one visitor is a **visit**, with a number that the registry gives and never gives again. A visit belongs to
its **ticket**: 16 random bytes that the visitor's program draws and keeps on its disk *before* it sends `JoinDesk`.
Whoever shows the ticket is the visitor, on whatever link and with whatever guest's key; a newer link takes over from the
older. So the same `JoinDesk` once more, after a lost link or a lost answer, gives the same place and changes nothing,
and `ReturnToDesk` takes a restarted program back to it.

What is said in a visit is one list of lines with **positions** 1, 2, 3, ... over both sides. A sender gives its lines
rising **numbers** (its own, gaps allowed; the larger of the last one + 1 and the clock in microseconds, as clause 6.2
has it), keeps each until `LinesTaken` covers it or `LineRefused` names it, and sends what is left again, in order, on
every new link while the visit lasts; the registry takes each number once. A receiver shows a line whose position is
above all that it has shown of that visit, passes over any other, and confirms both with `HeardAtDesk`; the registry sends
what is not confirmed again on a new link. So no line is lost or shown twice, whatever breaks in between.

It knows shapes only; the rules are the registry's (`registry.desk`).
"""

from wire.messages.desk.operating import OperatorNotice, OperatorRequest
from wire.messages.desk.talking import ConversationNotice, ConversationRequest
from wire.messages.desk.visiting import VisitorNotice, VisitorRequest

DeskRequest = VisitorRequest | ConversationRequest | OperatorRequest
"""All that may be asked of the desk."""

DeskNotice = VisitorNotice | ConversationNotice | OperatorNotice
"""All that the desk says."""
