"""Actors of a Ray cluster that share tasks: lost ones are replaced, and what they were at is done by others."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import ActorUnavailableError, NodeDiedError, ObjectLostError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from melisma.core.errors import MelismaError
from melisma.scale import worker
from melisma.scale.attempt import out_of_memory
from melisma.scale.crew import raised
from melisma.scale.journal import Journal
from melisma.scale.protocol import Outcome, Stage, Task
from melisma.scale.ray_actor import Actor

_AT_ONCE_S = 0.1  # work that an actor is given at a time: small tasks go in bundles, so that it need not wait
_MOST_AT_ONCE = 32
_GRACE_S = 5.0  # for an actor on this machine to clear up behind itself before it is killed
_STARTS = 3  # actors in a row that end before they begin: the fault is in what they load
_POLL_S = 5.0
_PATIENCE_S = 600.0  # to find room for an actor where none is at work: machines that a cluster sends for take minutes
_MOST_LOSSES = 2  # nodes lost with a task in hand, after which it is suspected of it

Numbered = tuple[int, Task]


@dataclass(slots=True, eq=False)
class _Hand:
    """An actor, and what it was given: each with what Ray calls its answer to come."""

    actor: Any
    hello: Any
    given: deque[tuple[Numbered, Any]] = field(default_factory=deque)
    node: str | None = None  # known when it is ready
    pid: int = 0
    since: float = 0.0

    @property
    def awaited(self) -> Any:
        """What it says next, if anything."""
        if self.node is None:
            return self.hello
        return self.given[0][1] if self.given else None


@dataclass(frozen=True, slots=True)
class Place:
    """How actors are started.

    Parameters
    ----------
    jobs : int
        How many at most.
    options : mapping
        Of each, as `ray.remote(…).options` takes them.
    folder : str, optional
        In which they work; where their cluster has them without.
    """

    jobs: int
    options: Mapping[str, Any]
    folder: str | None = None


class RayCrew:
    """Actors for one stage, started as they are needed.

    Results are taken from Ray's object store as they come and not left there: it holds no more than actors have been
    given at a time.
    """

    def __init__(self, stage: Stage, place: Place, known: Journal) -> None:
        self._stage = cloudpickle.dumps(stage)  # stages of a script are sent as they are
        self._name, self._place, self._known = stage.name, place, known
        self._kind = ray.remote(Actor)
        self._here = ray.get_runtime_context().get_node_id()
        self._queue: deque[Numbered] = deque()
        self._suspects: deque[tuple[Numbered, str | None]] = deque()  # with the node to try them on
        self._alone: Numbered | None = None
        self._alone_in: _Hand | None = None  # has done nothing but such
        self._alone_for: int | None = None  # the number for which it was started
        self._trial: str | None = None  # the node on which one is alone, or will be
        self._hands: list[_Hand] = []
        self._left: set[int] = set()  # numbers of what an earlier run had in hand when it ended
        self._losses: Counter[int] = Counter()
        self._failed_starts = 0
        self._failure: Exception | None = None
        self._typical_s = _AT_ONCE_S
        self._heard_at = time.monotonic()

    def give(self, number: int, task: Task, *, alone: bool = False) -> None:
        """Take a task, under a number by which its outcome will be told; `alone` as if its actor had died once."""
        if alone:
            self._left.add(number)
            self._suspects.append(((number, task), None))
        else:
            self._queue.append((number, task))

    def take(self) -> list[tuple[int, Outcome]]:
        """Wait for outcomes, at least one; there must be tasks that were given and not told of yet.

        Raises
        ------
        MelismaError
            If actors cannot be started, or the cluster has no room for one.
        Exception
            Whatever the stage raised that is no error of its item.
        """
        found: list[tuple[int, Outcome]] = []
        self._heard_at = time.monotonic()
        while not found:
            if self._failure is not None:  # after what came with it
                raise self._failure
            self._hand_out()
            awaited = {each.awaited: each for each in self._hands if each.awaited is not None}
            told, _ = ray.wait(list(awaited), num_returns=1, timeout=_POLL_S)
            if told:
                told, _ = ray.wait(list(awaited), num_returns=len(awaited), timeout=0)
                self._heard_at = time.monotonic()
            elif not any(each.given for each in self._hands):
                self._lose_patience()
            for each in told:
                found += self._hear(awaited[each])
        return found

    def close(self) -> None:
        """End all actors; what they are at is broken off, and cleared up on this machine."""
        self._end(self._hands)

    def _end(self, hands: list[_Hand]) -> None:
        leaving = []
        for each in hands:
            if each.given and each.node == self._here:
                with suppress(OSError):
                    os.kill(each.pid, signal.SIGTERM)
                    leaving.append(each.given[0][1])
        if leaving:
            ray.wait(leaving, num_returns=len(leaving), timeout=_GRACE_S)
        for each in hands:
            ray.kill(each.actor)
        self._hands = [each for each in self._hands if each not in hands]

    def _lose_patience(self) -> None:
        if time.monotonic() - self._heard_at > _PATIENCE_S:
            asked = {name: self._place.options[name] for name in ("num_cpus", "num_gpus", "memory")}
            raise MelismaError(f"the Ray cluster has found no room for an actor that asks for {asked}")

    def _hand_out(self) -> None:
        if self._suspects and self._alone is None:
            self._try_alone()
        on_trial = bool(self._suspects) or self._alone is not None
        while self._queue:
            idle = (each for each in self._hands if each.node is not None and not each.given)
            hand = next((each for each in idle if not (on_trial and each.node == self._trial)), None)
            if hand is None:
                break
            if hand is self._alone_in:
                self._alone_in = None
            share = -(-len(self._queue) // self._place.jobs)  # what is left is shared, so that all end together
            n = max(1, min(_MOST_AT_ONCE, share, int(_AT_ONCE_S / self._typical_s)))
            self._send(hand, [self._queue.popleft() for _ in range(n)])
        if not on_trial:
            starting = sum(each.node is None for each in self._hands)
            for _ in range(min(self._place.jobs - len(self._hands), len(self._queue) - starting)):
                self._start()

    def _try_alone(self) -> None:
        """Give a suspect a node without another actor of ours, once those that are there have ended their tasks."""
        one, node = self._suspects[0]
        alive = [each.node for each in self._hands if each.node is not None]
        self._trial = node or next(iter(alive), self._here)
        hand = self._alone_in if self._alone_in in self._hands else None
        if hand is not None and hand.node not in (None, self._trial):
            if self._alone_for == one[0]:  # it was started for this one; the node that was meant is gone
                self._trial = hand.node
            else:
                hand = None
        self._suspects[0] = one, self._trial
        beside = [each for each in self._hands if each.node in (None, self._trial) and each is not hand]
        if any(each.given for each in beside):
            return
        if hand is None or beside:
            self._end([*beside, *([] if hand is None else [hand])])  # they give their memory back
            affinity = NodeAffinitySchedulingStrategy(node_id=self._trial, soft=True)
            hand = self._alone_in = self._start(scheduling_strategy=affinity)
            self._alone_for = one[0]
        if hand.node is None:
            return  # a task that kills it at once would take along the word that it had begun
        self._suspects.popleft()
        self._alone = one
        self._send(hand, [one])

    def _start(self, **options: Any) -> _Hand:
        actor = self._kind.options(**self._place.options, **options).remote(self._stage, self._place.folder)
        self._hands.append(_Hand(actor, actor.hello.remote()))
        return self._hands[-1]

    def _send(self, to: _Hand, tasks: list[Numbered]) -> None:
        self._known.lease(task for _, task in tasks)
        to.since = time.monotonic()
        to.given.extend((one, to.actor.do.remote(*one)) for one in tasks)

    def _hear(self, one: _Hand) -> list[tuple[int, Outcome]]:
        try:
            kind, *facts = ray.get(one.awaited)
        except RayTaskError as error:  # what is sent cannot be read there
            self._failure = error
            return []
        except RayError as error:  # the actor ended; its node is not set up; a result went with its node
            return self._lost(one, error)
        if kind == worker.READY:
            one.pid, one.node = facts
            self._failed_starts, one.since = 0, time.monotonic()
        elif kind == worker.FAULT:
            self._failure = raised(*facts)
        elif kind == worker.DONE:
            self._finished(one)
            return [(facts[0], facts[1])]
        else:
            (number, task), _ = one.given.popleft()
            return self._suspected((number, task), one.node, out_of_memory(task))
        return []

    def _finished(self, one: _Hand) -> None:
        done, _ = one.given.popleft()
        now = time.monotonic()
        self._typical_s += 0.2 * (max(now - one.since, 1e-6) - self._typical_s)
        one.since = now
        if self._is_alone(done):
            self._alone = None

    def _is_alone(self, one: Numbered) -> bool:
        return self._alone is not None and self._alone[0] == one[0]

    def _suspected(self, one: Numbered, node: str | None, failed: Outcome) -> list[tuple[int, Outcome]]:
        """Let a task be tried once more, alone; if that was so already, it has failed."""
        if not self._is_alone(one):
            self._suspects.append((one, node))
            return []
        self._alone = None
        return [(one[0], failed)]

    def _lost(self, one: _Hand, error: RayError) -> list[tuple[int, Outcome]]:
        """See to the tasks of an actor that ended: the first was its last, the others had not begun."""
        ray.kill(one.actor)  # one that cannot be reached, but lives, must not go on
        self._hands.remove(one)
        given = [each for each, _ in one.given]
        node_lost = _is_of_the_node(error)
        if one.node is None:
            self._start_failed(error, node_lost)
        if not given:
            return []
        first, rest = given[0], given[1:]
        self._queue.extendleft(reversed(rest))
        self._losses[first[0]] += node_lost
        if one.node is None or (node_lost and self._losses[first[0]] < _MOST_LOSSES):
            self._put_back(first)
            return []
        return self._suspected(first, None if node_lost else one.node, self._failed(first, node_lost))

    def _put_back(self, one: Numbered) -> None:
        if self._is_alone(one):
            self._alone = None
            self._suspects.appendleft((one, None))
        else:
            self._queue.appendleft(one)

    def _start_failed(self, error: RayError, node_lost: bool) -> None:
        self._failed_starts += not node_lost
        if self._failed_starts >= _STARTS and self._failure is None:
            said = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise MelismaError(
                f"Ray actors for {self._name} end before they begin: {said[-1][:300]} "
                "(the cluster needs the same Python and the same melisma as this machine)"
            )

    def _failed(self, one: Numbered, node_lost: bool) -> Outcome:
        number, task = one
        what = "the node" if node_lost else "the Ray actor"
        before = "as a run did before it" if number in self._left else "and did so again when it ran alone"
        why = "" if node_lost else " (as where memory runs out, or a library crashes)"
        return Outcome(task.key, error=f"{task.key}: {what} that worked on it ended{why}, {before}")


def _is_of_the_node(error: RayError) -> bool:
    """Tell whether a node was lost, or may have been, rather than one process of it."""
    lost = (ActorUnavailableError, NodeDiedError, ObjectLostError)
    return isinstance(error, lost) or "node has died" in str(error)
