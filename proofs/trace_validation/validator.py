"""Follows a run of the real map in its model, access by access, and says where the two part.

The idea: between two accesses all threads stand still, so what the last one did is there to be seen whole. It is
over when anybody makes the next. Then the real object is pictured in the model's cells, and the model must have a
step that leads from where it stands to that very picture: an action that the binding ties to that access in that
function, of that element, enabled in the state, thread at the right place included; or an access that the
binding declares silent, and nothing has changed. Answers are compared when calls return. Each state that is reached
must satisfy the invariants that were proved, and each step its claims.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, Final

from mapproof.impl import sync
from mapproof.proofs.running.layout import Value
from mapproof.proofs.trace_validation.account import Entry, Parting, told
from mapproof.proofs.trace_validation.binding import (
    Binding,
    Known,
    Names,
    OutOfElements,
    Picture,
    Request,
    Seen,
)
from mapproof.proofs.trace_validation.following import (
    Followed,
    Follower,
    Parted,
    Standing,
    Step,
    sound,
    unbroken,
)
from mapproof.proofs.trace_validation.model import Model
from mapproof.spec.accesses import Access

_LOOKS: Final = frozenset({Access.LOAD, Access.READ})
"""They leave the object as it was pictured before. What changed beside all accesses is seen with the next that writes,
or when the call returns."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Where a setup led."""

    known: Known
    picture: Picture
    standing: Standing
    log: tuple[Entry, ...]


class Validator:
    """Validates runs. `begin` comes before each; `complaint` is then the account of what was wrong.

    It can be a monitor of a run: `arrived` and `step` answer with the complaint, if there is one. Whoever runs also
    says when calls return (`returned`). Where nothing can be said, as the run needs more elements than the binding
    gave, `undecided` is the reason, and no more is looked at.

    Over all runs, `matched` is how many accesses were compared, `outside` how many the model does not speak of, and
    `covered` the actions that were made. Runs in which client 0 did the same before there were other clients, as `setup`
    says (None: nothing is said), are followed from there, once that was followed.
    """

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.model = Model(binding.system, binding.domains, binding.given)
        self.complaint: str | None = None
        self.undecided: str | None = None
        self.looked = False
        self.matched = self.outside = 0
        self.setup: object = None
        self.covered: set[str] = set()
        self.follower = Follower(binding, self.model)
        self._seen: dict[object, Seen] = {}
        self._known: dict[object, Followed] = {}
        self._prepared: dict[object, _Prepared] = {}
        self._agreeing: set[tuple[int, int]] = set()
        self._standings: dict[Standing, Standing] = {}
        self._pictures: dict[Picture, int] = {}

    def begin(self, subject: Any) -> None:
        """A run on this new object begins."""
        self.complaint = self.undecided = None
        self._subject = subject
        self._names = Names(self.binding.domains)
        self._standing = self._same(Standing(self.model.initial))
        self._calls: dict[int, Request] = {}
        self._log: list[Entry] = []
        self._doing: tuple[int, Seen] | None = None
        self.binding.begin(subject, self._names)
        self._alone = self.setup is not None
        self._skipping = self._alone and self.setup in self._prepared
        self._check_start()

    @property
    def over(self) -> bool:
        """Nothing more is to be learnt from the run."""
        return self.complaint is not None or self.undecided is not None

    # -- what happens in a run

    def arrived(self) -> str | None:
        """All that came before has happened: match it, if it was an access."""
        if self._doing is not None and not self.over:
            client, seen = self._doing
            self._doing = None
            try:
                self._match(client, seen)
            except OutOfElements as reason:
                self.undecided = str(reason)
        return self.complaint

    def step(self, client: int, doing: Any) -> str | None:
        """The client makes this access (target and kind) or begins this call (with `op`, `key` and `args`)."""
        self.looked = True
        if self._skipping and client == 0:
            return None
        self.arrived()
        if self._alone and client != 0:
            self._after_setup()
        if not self.over:
            if isinstance(doing, tuple):
                self._access(client, *doing)
            else:
                self._call(client, Request(str(doing.op), doing.key, tuple(doing.args)))
        return self.complaint

    def effect(self, client: int, target: object, access: Access, happened: bool) -> None:
        """Whether a compare-and-swap took effect is seen in what it left behind."""

    def returned(self, client: int, answer: Any, error: str | None = None) -> str | None:
        """The client's call has answered, or has raised the exception of that name."""
        if self._skipping and client == 0:
            return None
        self.arrived()
        if not self.over:
            request = self._calls.pop(client)
            raised = f"raises {error}" if error else f"answers {answer!r}"
            self._log.append(Entry(client, f"{request} {raised}"))
            try:
                if error is not None:
                    raise Parted(f"the model raises nothing, the code {error}")
                self._picture()
                self._unchanged("something was changed beside all accesses")
                self._answer(self.binding.thread(client), request, answer)
            except Parted as parted:
                self._complain(client, None, parted)
        return self.complaint

    # -- what came before there were other clients

    def _after_setup(self) -> None:
        """Remember where the setup led, or go there."""
        self._alone = False
        if self._skipping:
            self._skipping = False
            self._recall(self._prepared[self.setup])
        elif not self.over:
            known = self._names.order(self._picture)
            self._prepared[self.setup] = _Prepared(known, self._pictured, self._standing, tuple(self._log))

    def _recall(self, prepared: _Prepared) -> None:
        self._names.recall(prepared.known, self._picture)
        self._standing, self._log = prepared.standing, list(prepared.log)
        if self._pictured != prepared.picture:
            self._complain(0, None, Parted("the setup led elsewhere than when it was followed"))

    # -- what is made of it

    def _check_start(self) -> None:
        self._picture()
        try:
            self._unchanged("the new object is not in the model's initial state")
            unbroken(self.model.broken(self.model.initial))
        except Parted as parted:
            self._complain(0, None, parted)

    def _access(self, client: int, target: object, access: Access) -> None:
        code, line = _place(sys._getframe(1))
        role, element = self._names.roles.get(id(target), ("something that the binding does not know", ""))
        key = role, element, access, code
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = Seen(role, element, access, code.co_qualname)
        if role not in self.binding.unmodelled:
            self._log.append(Entry(client, seen, code, line))
        self._doing = client, seen

    def _call(self, client: int, request: Request) -> None:
        thread = self.binding.thread(client)
        self._calls[client] = request
        self._log.append(Entry(client, request))
        try:
            action, arguments = self.binding.call(thread, request, self._names)
            self._take(self._standing, thread, (), action, arguments)
        except OutOfElements as reason:
            self.undecided = str(reason)
        except Parted as parted:
            self._complain(client, None, parted)

    def _match(self, client: int, seen: Seen) -> None:
        thread = self._names.actor = self.binding.thread(client)
        if seen.access not in _LOOKS:
            self._picture()
        try:
            if seen.role in self.binding.unmodelled:
                self.outside += 1
                self._unchanged(f"the model does not speak of {seen}, which changed what it does speak of")
                return
            followed = self._followed(thread, seen)
        except Parted as parted:
            self._complain(client, seen, parted)
            return
        self.matched += 1
        self._standing = followed.standing
        self._log[-1].did = followed.actions

    def _followed(self, thread: str, seen: Seen) -> Followed:
        """What the access is in the model; looked up, if another run came this way."""
        brought = self._names.brought()
        key = id(self._standing), thread, id(seen), self._picture_number, brought
        followed = self._known.get(key)
        if followed is None:
            followed = self.follower.follow(self._standing, Step(thread, seen, self._pictured, brought))
            followed = self._known[key] = Followed(self._same(followed.standing), followed.actions)
            self.covered.update(followed.actions)
        return followed

    def _same(self, standing: Standing) -> Standing:
        """The one object for all that are equal, which is kept: its address is its name."""
        return self._standings.setdefault(standing, standing)

    def _unchanged(self, wrong: str) -> None:
        key = id(self._standing), self._picture_number
        if key not in self._agreeing:
            if not self.follower.agrees(self._standing, self._pictured):
                raise Parted(wrong)
            self._agreeing.add(key)

    def _answer(self, thread: str, request: Request, answer: Any) -> None:
        if self._standing.of(thread) is not None:
            raise Parted("the call returns amidst the accesses of an action")
        returns = self.binding.returns
        for start in self.follower.reached(self._standing, thread):
            state = start.standing.state
            if self.model.step(state, returns, (thread,)) is not None:
                expected, given = self.binding.answer(self.model.view(state), thread, request, answer)
                if expected != given:
                    raise Parted(f"the model answers {expected}, the code {given}")
                self._take(start.standing, thread, start.actions, returns, (thread,))
                return
        raise Parted("the call returns, where the model has more to do")

    def _take(
        self,
        standing: Standing,
        thread: str,
        before: Sequence[str],
        action: str,
        arguments: tuple[Value, ...],
    ) -> None:
        """Make an action that is no access, those `before` it being made."""
        reached = self.model.step(standing.state, action, arguments)
        if reached is None:
            raise Parted(f"{action} cannot happen in the model's state")
        self._standing = self._same(standing.moved(sound(reached).state, thread))
        self._log[-1].did = (*before, action)
        self.covered.update(self._log[-1].did)

    def _picture(self) -> None:
        """Look at the real object."""
        picture = self.binding.picture(self._subject, self._names)
        self._picture_number = self._pictures.setdefault(picture, len(self._pictures))
        self._pictured = picture

    def _complain(self, client: int, seen: Seen | None, parted: Parted) -> None:
        parting = Parting(
            str(parted),
            client,
            self.binding.thread(client),
            seen,
            self._standing.state,
            self._standing.owed(),
            self._pictured,
        )
        self.complaint = told(self.binding, self.model, parting, self._log)


def _place(frame: FrameType | None) -> tuple[CodeType, int]:
    """The code that calls the primitive in whose method the frame is, and the line."""
    own = sync.__file__
    while frame is not None and frame.f_code.co_filename != own:
        frame = frame.f_back
    while frame is not None and frame.f_code.co_filename == own:
        frame = frame.f_back
    assert frame is not None, "an access is made in a method of a primitive, which somebody calls"
    return frame.f_code, frame.f_lineno
