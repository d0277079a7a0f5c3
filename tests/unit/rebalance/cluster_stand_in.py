"""An API server's memory for unit tests of what writes objects: no watches, no garbage collection, no policies."""

from __future__ import annotations

import copy
from itertools import count
from typing import TYPE_CHECKING, Any

from serflab.kube.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable


def refusal(status: int, reason: str = "") -> ApiError:
    """Return the error of a refused call."""
    return ApiError(status, reason, reason)


class ClusterStandIn:
    """Objects by their paths, with the calls of an `ApiClient`; `failing` says which calls fail, and how."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.failing: Callable[[str, str], ApiError | None] = lambda _method, _path: None
        self.calls: list[tuple[str, str]] = []
        self._numbers = count(1)

    def _called(self, method: str, path: str) -> None:
        self.calls.append((method, path))
        error = self.failing(method, path)
        if error:
            raise error

    def _found(self, path: str) -> dict[str, Any]:
        if path not in self.objects:
            raise refusal(404, "NotFound")
        return self.objects[path]

    async def create(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self._called("POST", path)
        whole = f"{path}/{body['metadata']['name']}"
        if whole in self.objects:
            raise refusal(409, "AlreadyExists")
        made = copy.deepcopy(body)
        number = str(next(self._numbers))
        made["metadata"] |= {"uid": f"uid-{number}", "resourceVersion": number, "generation": 1}
        made["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        self.objects[whole] = made
        return copy.deepcopy(made)

    async def get(self, path: str, **_: Any) -> dict[str, Any]:
        self._called("GET", path)
        return copy.deepcopy(self._found(path))

    async def list(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        self._called("LIST", path)
        found = [item for key, item in self.objects.items() if key.rpartition("/")[0] == path]
        for term in (params or {}).get("labelSelector", "").split(",") if params else ():
            label, _, value = term.partition("=")
            found = [item for item in found if item["metadata"].get("labels", {}).get(label) == value]
        return {"items": copy.deepcopy(found)}

    async def patch(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self._called("PATCH", path)
        item = self._found(path.partition("?")[0].removesuffix("/status"))
        before = _content(item)
        _merge(item, copy.deepcopy(body))
        item["metadata"]["resourceVersion"] = str(next(self._numbers))
        item["metadata"]["generation"] += _content(item) != before
        return copy.deepcopy(item)

    async def apply(self, path: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        if path not in self.objects:
            return await self.create(path.rpartition("/")[0], body)
        return await self.patch(path, body)

    async def delete(self, path: str, **_: Any) -> dict[str, Any]:
        self._called("DELETE", path)
        self._found(path)
        return self.objects.pop(path)

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        assert method == "DELETE"
        return await self.delete(path)

    def named(self, plural: str) -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        return [item for path, item in self.objects.items() if f"/{plural}/" in path]


def _content(item: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy({key: value for key, value in item.items() if key not in {"metadata", "status"}})


def _merge(into: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = _without_nothing(value)


def _without_nothing(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nothing(item) for key, item in value.items() if item is not None}
