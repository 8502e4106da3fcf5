"""The same work on many items, in one process or in several."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4  # items a process: enough that nobody waits, and little to throw away where the caller has had enough


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield what comes of each item, in the order of the items.

    Items are taken a few ahead of what is yielded, so there may be no end of them. Where the caller goes no further,
    or the work on an item fails, what has not been begun is not done.

    Parameters
    ----------
    work : callable
        A function of a module, or `functools.partial` of one, if there are several processes.
    items : iterable
    workers : int
        Processes; 1 works in this one.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    # Forked children would share the locks of this process's threads.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        ahead: deque[Future[R]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) >= _AHEAD * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
