"""Run named steps side by side, each as soon as what it needs is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from queue import SimpleQueue

from k8slab.core.phases import Ledger
from k8slab.core.signals import deferred, undisturbed


@dataclass(frozen=True)
class _Step:
    act: Callable[[], bool | None]
    needs: tuple[str, ...]
    what: str
    where: str
    milestones: tuple[str, ...]
    lane: str


class Schedule:
    """Steps, what each of them needs, and the order that follows from it.

    A step that takes long may pass milestones: others that need one of those begin
    while the step still runs.

    Args:
        ledger: Times and shows the steps.
        abort: Makes running steps end soon, where one fails or the reader interrupts.
        lanes: How many steps of a lane may run at a time; others have no limit.

    Example:
        >>> done = []
        >>> schedule = Schedule(Ledger())
        >>> schedule.add("bake", lambda: done.append("bread"), needs=("oven is hot",))
        >>> schedule.add("heat", lambda: None, milestones=("oven is hot",))
        >>> schedule.run()
        >>> done
        ['bread']
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        abort: Callable[[], None] | None = None,
        lanes: Mapping[str, int] | None = None,
    ) -> None:
        self._ledger = ledger
        self._abort = abort
        self._lanes = dict(lanes or {})
        self._steps: dict[str, _Step] = {}
        self._milestones: set[str] = set()
        # What was passed, and of a step how it ended. Ctrl-C interrupts the wait for
        # it without leaving a lock held, as it might that for several futures.
        self._passed: SimpleQueue[tuple[str, Future[None] | None]] = SimpleQueue()

    def add(
        self,
        name: str,
        act: Callable[[], bool | None],
        *,
        needs: Sequence[str] = (),
        what: str = "",
        where: str = "lab",
        milestones: Sequence[str] = (),
        lane: str = "",
    ) -> None:
        """Add a step.

        Args:
            name: Its name, by which others need it.
            act: Does it, in a thread of its own; returns False where it found nothing
                to do.
            needs: The steps and milestones that come before it.
            what: What its phase is called; without, it shows phases of its own.
            where: The machine or component it does it to.
            milestones: What it passes on its way, told with `reach`; at its end all of
                them are passed.
            lane: The lane whose limit it keeps to.

        Raises:
            ValueError: There is a step or a milestone of that name.
        """
        for new in (name, *milestones):
            if new in self._steps or new in self._milestones:
                raise ValueError(f"there are two steps or milestones named {new!r}")
        self._steps[name] = _Step(
            act, tuple(needs), what, where, tuple(milestones), lane
        )
        self._milestones.update(milestones)

    def reach(self, milestone: str) -> None:
        """Let those begin that need a milestone; a second time changes nothing."""
        self._passed.put((milestone, None))

    def run(self) -> None:
        """Run all steps; when it returns or raises, none of them runs any more.

        Raises:
            ValueError: A step needs what is not there, or steps need each other.
            Exception: What the first step raised that failed.
        """
        sorter = self._sorter()
        pools = {
            lane: ThreadPoolExecutor(
                self._lanes.get(lane, len(self._steps)), thread_name_prefix="k8slab"
            )
            for lane in {step.lane for step in self._steps.values()}
        }
        pending = set(self._milestones)
        try:
            while sorter.is_active():
                # A thread whose start is interrupted belongs to no pool.
                with deferred():
                    for name in sorter.get_ready():
                        if name in self._steps:
                            step = self._steps[name]
                            pending.add(name)
                            future = pools[step.lane].submit(self._one, step)
                            future.add_done_callback(partial(self._end, name))
                name, ended = self._passed.get()
                if ended is not None:
                    ended.result()
                if name in pending:
                    pending.remove(name)
                    sorter.done(name)
        except BaseException:
            with undisturbed():  # a second Ctrl-C must not leave any of them at work
                for pool in pools.values():
                    pool.shutdown(wait=False, cancel_futures=True)
                if self._abort is not None:
                    self._abort()
                for pool in pools.values():
                    pool.shutdown()
            raise
        finally:
            for pool in pools.values():
                pool.shutdown()

    def _sorter(self) -> TopologicalSorter[str]:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for milestone in self._milestones:
            sorter.add(milestone)
        for name, step in self._steps.items():
            for need in step.needs:
                if need not in self._steps and need not in self._milestones:
                    raise ValueError(f"{name!r} needs {need!r}, which nobody adds")
            sorter.add(name, *step.needs)
        sorter.prepare()
        return sorter

    def _end(self, name: str, future: Future[None]) -> None:
        self._passed.put((name, future))

    def _one(self, step: _Step) -> None:
        if step.what:
            with self._ledger.phase(step.what, step.where) as phase:
                if step.act() is False:
                    phase.unchanged()
        else:
            step.act()
        for milestone in step.milestones:
            self.reach(milestone)
