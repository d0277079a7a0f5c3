"""Many requests at once: bounded, with each failure kept under the name of its object."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from serflab.errors import SerflabError
from serflab.kube.client import ApiUnreachableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

T = TypeVar("T")
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Failure(Generic[T]):
    """One item whose action failed."""

    item: T
    name: str
    error: SerflabError


@dataclass(slots=True)
class BulkResult(Generic[T]):
    """How many actions succeeded, and those that failed."""

    done: int = 0
    failures: list[Failure[T]] = field(default_factory=list)

    def raise_for_failures(self, what: str) -> None:
        """Raise one `SerflabError` that counts the failures and names the first few."""
        if not self.failures:
            return
        lines = [f"{failure.name}: {failure.error.message}" for failure in self.failures[:_NAMED]]
        if len(self.failures) > _NAMED:
            lines.append(f"… and {len(self.failures) - _NAMED} more")
        raise SerflabError(
            f"{what} failed for {len(self.failures)} of {self.done + len(self.failures)}:\n  " + "\n  ".join(lines)
        )


async def run_bulk(
    items: Iterable[T],
    action: Callable[[T], Awaitable[object]],
    *,
    name: Callable[[T], str],
    limit: int = 16,
    progress: Callable[[int], None] | None = None,
) -> BulkResult[T]:
    """Run `action` for every item, at most `limit` at once; `progress` is told how many are settled.

    An item's `SerflabError` is collected and the others go on, except `ApiUnreachableError`, which ends everything:
    it came after the retries of the client, and each further item would only wait as long again.
    """
    result: BulkResult[T] = BulkResult()
    queue = iter(items)

    async def work(queue: Iterator[T]) -> None:
        for item in queue:
            try:
                await action(item)
            except ApiUnreachableError:
                raise
            except SerflabError as error:
                result.failures.append(Failure(item, name(item), error))
            else:
                result.done += 1
            if progress:
                progress(result.done + len(result.failures))

    workers = [asyncio.create_task(work(queue)) for _ in range(max(1, limit))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return result
