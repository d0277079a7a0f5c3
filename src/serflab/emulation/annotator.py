"""Show points of series on the annotations of pods: a replay does it for the pods of its config and for its guests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from serflab.emulation.marker import timestamp
from serflab.emulation.names import REMOTE_ROLE, ROLE, USAGE_CPU, USAGE_MEMORY, VIRTUAL, pod_path
from serflab.emulation.objects import Values, formatted
from serflab.errors import SerflabError
from serflab.kube.client import METADATA, ApiError, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serflab.kube.client import ApiClient
    from serflab.kube.watch import Key
    from serflab.traces.model import AnnotationKeys, Series
    from serflab.traces.sampling import Clock

_RETRY: Final = RetryPolicy(attempts=4, initial=0.1, longest=1.0, longest_retry_after=2.0)
_NOT_FOUND: Final = 404
_INVALID: Final = 422


@dataclass(frozen=True, slots=True)
class Shown:
    """What a pod shows: its values, and whether any point was played onto it since it was created.

    `away`: it is virtual and stands for a pod that runs elsewhere.
    """

    resource_version: int
    values: tuple[str | None, ...]
    played: bool
    uid: str = ""
    away: bool = False


def is_away(annotations: Mapping[str, str]) -> bool:
    """Whether a pod with these annotations is virtual and stands for one that runs on another serf."""
    return annotations.get(VIRTUAL) == "true" and annotations.get(ROLE) != REMOTE_ROLE


class PatchFormat:
    """The annotations of a config's pods: read from a pod, and written as a merge patch."""

    def __init__(self, keys: AnnotationKeys) -> None:
        self._time_index = keys.time_index
        self._values = (keys.cpu, keys.memory, keys.power, keys.psi, USAGE_CPU, USAGE_MEMORY)
        names = (
            orjson.dumps(key).decode().replace("%", "%%") for key in (*self._values, keys.timestamp, keys.time_index)
        )
        # Values are numbers with a unit and need no escaping, so that a patch is made by filling in a text.
        self._text = '"annotations":{' + ",".join(f'{name}:"%s"' for name in names) + "}}}"

    def patch(self, values: Values, due: str, index: int, *, uid: str = "", first: bool = False) -> bytes:
        """Return the patch that shows `values`, the point `index`, as of the time `due`.

        With a `uid` the API server refuses it for any other pod of the same name. The first one also clears the pod's
        `managedFields`. The API server then keeps them empty, which takes a third off the cost of every patch to come
        (docs/decisions/0005-no-managed-fields-on-emulated-pods.md).
        """
        head = '{"metadata":{' + (f'"uid":"{uid}",' if uid else "") + ('"managedFields":[{}],' if first else "")
        return (head + self._text % (*values, values[0], values[1], due, index)).encode()

    def shown(self, pod: dict[str, Any]) -> Shown:
        """Return what a pod shows."""
        metadata = pod["metadata"]
        annotations = metadata.get("annotations") or {}
        return Shown(
            resource_version=int(metadata["resourceVersion"]),
            values=tuple(map(annotations.get, self._values)),
            played=self._time_index in annotations,
            uid=metadata.get("uid", ""),
            away=is_away(annotations),
        )


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that is ready to be sent, and what the pod shows after it."""

    key: Key
    uid: str
    body: bytes
    values: tuple[str, ...]


class PodReplacedError(SerflabError):
    """The pod that was to be patched is gone; at most another one has its name."""


class Annotator:
    """Patches the pods of one API server that are to show something else than they do."""

    def __init__(self, client: ApiClient, keys: AnnotationKeys) -> None:
        self.format: Final = PatchFormat(keys)
        self._client = client
        self._acknowledged: dict[Key, Shown] = {}

    def known(self, key: Key, watched: Shown | None) -> Shown | None:
        """Return what a pod shows as far as we know: told by the watch or, later, by the answer to a patch."""
        answered = self._acknowledged.get(key)
        if not watched or not answered or answered.uid != watched.uid:
            return watched
        return answered if answered.resource_version > watched.resource_version else watched

    def patch(self, key: Key, shown: Shown, series: Series, clock: Clock, tick: int) -> Patch | None:
        """Return the patch with which a pod shows the point of `tick`; None when it does so already."""
        index = clock.index(tick)
        values = formatted(series.row(index))
        wanted = (*values, values[0], values[1])
        if shown.values == wanted and shown.played:
            return None
        before = self._acknowledged.get(key)
        first = before is None or before.uid != shown.uid
        body = self.format.patch(values, timestamp(clock.due(tick)), index, uid=shown.uid, first=first)
        return Patch(key, shown.uid, body, wanted)

    async def send(self, patch: Patch) -> int:
        """Send a patch and return the resourceVersion that it was acknowledged with.

        Raises `PodReplacedError` when the pod is gone, else what the client raises.
        """
        try:
            answer = await self._client.patch(pod_path(*patch.key), patch.body, accept=METADATA, retry=_RETRY)
        except ApiError as error:
            if error.status == _NOT_FOUND or (error.status == _INVALID and _is_about_uid(error)):
                raise PodReplacedError(f"pod {'/'.join(patch.key)} is gone") from error
            raise
        version = int(answer["metadata"]["resourceVersion"])
        self._acknowledged[patch.key] = Shown(version, patch.values, played=True, uid=patch.uid)
        return version

    def forget(self, key: Key) -> None:
        """Forget what was acknowledged of a pod that will not be patched any more."""
        self._acknowledged.pop(key, None)


def _is_about_uid(error: ApiError) -> bool:
    causes = error.body.get("details", {}).get("causes") or ()
    return any(cause.get("field") == "metadata.uid" for cause in causes)
