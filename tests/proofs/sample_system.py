"""A system that uses every kind of node, for the tests of the two readings: boxes with numbers, and who holds them.

It is made to be sensitive: cells are written twice in a step, through two names of one element, and read before.
"""

from __future__ import annotations

from mapproof.proofs.terms import (
    Bool,
    Enumeration,
    Field,
    Globals,
    If,
    Int,
    Sort,
    Table,
    after,
    all_of,
    any_of,
    claim,
    count,
    everywhere,
    forall,
    implies,
    one_of,
    when,
)
from mapproof.proofs.transition_system import action, invariant, lemma, step_property, system


class Item(Sort):
    """What is in boxes."""


nothing = Item.element("nothing")


class Colour(Enumeration):
    """What a box looks like."""

    RED: Colour
    GREEN: Colour
    BLUE: Colour


class Box(Sort):
    """A box."""

    number = Field(Int)
    colour = Field(Colour)
    item = Field(Item)
    has = Table(Item, Bool)
    marks = Table(Colour, Int)


class Person(Sort):
    """Who holds a box."""

    box = Field(Box)
    likes = Table(Box, Bool)


class Room(Globals, prefix="room"):
    """Where they are."""

    open = Field(Bool)
    guest = Field(Person)
    total = Field(Int)


room = Room()


@action
def initial() -> None:
    """An open room of red boxes"""
    room.open = True
    room.total = 0
    everywhere(Box.number, lambda b: 0)
    everywhere(Box.colour, lambda b: Colour.RED)
    everywhere(Box.item, lambda b: nothing)
    everywhere(Box.has, lambda b, i: i == nothing)
    everywhere(Box.marks, lambda b, c: count(c == Colour.BLUE))
    everywhere(Person.likes, lambda p, b: False)


@action
def paint(p: Person, b: Box, c: Colour) -> None:
    """Two boxes that may be one change; the later assignment wins"""
    when(p.box.colour == Colour.RED, any_of(b.colour == Colour.GREEN, b.colour == Colour.RED, ~room.open))
    claim("a new colour", b.colour != c)
    was = p.box.colour
    p.box.colour = c
    b.colour = If(p.likes[b], Colour.GREEN, Colour.BLUE)
    p.box.marks[c] = p.box.marks[c] + 1
    b.marks[was] = b.number * 2 - 1


@action
def hold(p: Person, b: Box) -> None:
    """The person takes the box, which another then no longer likes"""
    when(p.box != b, implies(room.open, one_of(b.colour, Colour.RED, Colour.BLUE)), b.number <= 2)
    claim("somebody likes a box", ~forall(Person, Box, lambda q, a: ~q.likes[a]))
    p.box = b
    room.guest = p
    everywhere(Person.likes, lambda q, a: If(all_of(q != p, a == b), room.open, q.likes[a]))


@action
def fill(b: Box, i: Item) -> None:
    """An item goes into a box; the last item is thrown out everywhere"""
    when(forall(Item, lambda j: implies(b.has[j], j != i)), room.total < 4)
    before = room.total
    room.total = before + count(i != nothing)
    everywhere(Box.has, lambda a, j: all_of(j != b.item, any_of(a.has[j], j == i)))
    b.has[i] = True
    b.item = i
    b.number = before


@action
def close(i: Item) -> None:
    """The room closes when nobody likes a box"""
    when(room.open == forall(Person, lambda p: forall(Box, lambda b: ~p.likes[b])))
    room.open = room.guest.box.has[i]


@action
def repaint(b: Box) -> None:
    """What is not green becomes green"""
    when(one_of(b.colour, Colour.RED, Colour.BLUE), room.total > 0)
    b.colour = Colour.GREEN


@invariant("few things")
def few() -> Bool:
    """Numbers are small."""
    return all_of(room.total < 3, forall(Box, lambda b: all_of(b.number <= 3, ~(b.number < 0))))


@invariant("a box has its item")
def has_item() -> Bool:
    """What is in a box is in its list, unless it is blue."""
    return forall(
        Box,
        lambda b: implies(
            ~one_of(b.colour, Colour.BLUE), b.has[b.item], forall(Colour, lambda c: b.marks[c] < 3)
        ),
    )


@lemma("one guest")
def one_guest() -> Bool:
    """Who likes the guest's box is the guest, or a box is green."""
    return forall(
        Person,
        Box,
        lambda p, b: implies(
            all_of(p.likes[room.guest.box], b != room.guest.box),
            any_of(p == room.guest, b.colour == Colour.GREEN),
        ),
    )


@step_property("the total never falls")
def total_grows() -> Bool:
    """What was in the room stays, and the boxes that people hold change only in an open room."""
    return all_of(
        room.total <= after(room.total),
        forall(Person, lambda p: implies(~room.open, after(p.box.number) == after(p.box).number)),
    )


SAMPLE = system(
    "boxes",
    scope="a few boxes",
    state=(Item, Box, Person, Room),
    initial=initial,
    actions=(paint, hold, fill, close, repaint),
    invariants=(few, has_item),
    lemmas=(one_guest,),
    step_properties=(total_grows,),
)
DOMAINS = {
    "Item": ("nothing", "i0", "i1"),
    "Box": ("b0", "b1"),
    "Person": ("p0", "p1", "p2"),
}
