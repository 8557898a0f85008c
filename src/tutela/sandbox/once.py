"""One request in one confined process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tutela.core.errors import SandboxError
from tutela.sandbox.limits import Limits
from tutela.sandbox.pool import Broken, Done, Pool, Reply
from tutela.sandbox.wire import Handler


def confined(
    handler: Handler,
    request: bytes,
    files: Sequence[int],
    limits: Limits,
    *,
    warm_up: Callable[[], None] | None = None,
) -> Iterator[bytes]:
    """Yield what `handler` replies to `request` from a confined process of its own.

    The process is forked when the first reply is asked for (keep `files` open until then) and waits
    while nobody asks, so replies may come to many gigabytes. It ends with the iterator.

    Raises:
        SandboxError: the process could not be started, died or broke a limit (code as in
            `Broken`), or the handler failed with an error not of Tutela.
        TutelaError: the handler raised this, with class, code, message and hint.
    """
    with Pool(handler, jobs=1, limits=limits, warm_up=warm_up) as pool:
        pool.submit(request, files)
        while True:
            for event in pool.events(None):
                match event:
                    case Reply():
                        yield event.payload
                    case Done():
                        return
                    case Broken():
                        raise event.error or SandboxError(
                            f"a confined process failed: {event.detail}",
                            code=event.code,
                            hint=f"raised at {event.where}" if event.where else "",
                        )
