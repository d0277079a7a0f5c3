"""Queries to Prometheus: instant and over a range, bounded in points and in time.

Source: the HTTP API, https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

import asyncio
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from serflab.errors import SerflabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_POINTS = 500
# One scrape: a finer grid would only repeat values.
SHORTEST_STEP = 5
# A value older than this is not shown as a current one: longer than two scrapes, far below Prometheus' own 5 minutes.
LOOKBACK_SECONDS = 15
# Of a query that a reader waits for, and of one about now, which the viewer sends every few seconds.
_RANGE_SECONDS = 8.0
_INSTANT_SECONDS = 4.0
_CONNECT_SECONDS = 2.0


class PrometheusError(SerflabError):
    """Prometheus did not answer a query; `reason` is `unreachable`, `timeout` or `refused`."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query: its labels and its value (a number, never NaN)."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Grid:
    """The points of a range query: from `start` to `end` every `step`, all in whole seconds since the epoch."""

    start: int
    end: int
    step: int

    @property
    def timestamps(self) -> list[int]:
        """Return the seconds since the epoch of every point."""
        return list(range(self.start, self.end + 1, self.step))

    @property
    def lookback(self) -> int:
        """Return how old (seconds) a value may be: a coarse grid has one wherever something was known in between."""
        return max(self.step, LOOKBACK_SECONDS)


def grid(start: float, end: float, most: int = MAX_POINTS) -> Grid:
    """Lay at most `most` points from `start` to `end` (epoch seconds), one scrape apart or more.

    The points are multiples of the step, so two queries in a row ask for the same ones and a chart does not
    flicker.
    """
    step = max(SHORTEST_STEP, math.ceil((end - start) / (most - 1)))
    return Grid(int(start // step) * step, int(end // step) * step, step)


def matcher(**labels: str) -> str:
    """Return a label matcher such as `{serf="serf1"}`, empty without labels; values may hold anything."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Prometheus:
    """One Prometheus server at a base URL; every method raises `PrometheusError`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url.rstrip("/")

    async def instant(self, query: str, at: float | None = None, *, lookback: int = LOOKBACK_SECONDS) -> list[Sample]:
        """Return the value of every series that the query selects, now or `at` a moment (epoch seconds).

        A value may be `lookback` seconds old. Series without a number are left out.
        """
        parameters = {"query": query, "lookback_delta": str(lookback)}
        if at is not None:
            parameters["time"] = f"{at:.3f}"
        data = await self._call("query", parameters, _INSTANT_SECONDS if at is None else _RANGE_SECONDS)
        samples = [Sample(item["metric"], float(item["value"][1])) for item in data["result"]]
        return [sample for sample in samples if math.isfinite(sample.value)]

    async def over(self, query: str, points: Grid) -> list[tuple[Mapping[str, str], list[float | None]]]:
        """Return, for every series, one value for each point of the grid, None where there is no sample."""
        parameters = {
            "query": query,
            "start": str(points.start),
            "end": str(points.end),
            "step": str(points.step),
            "lookback_delta": str(points.lookback),
        }
        data = await self._call("query_range", parameters, _RANGE_SECONDS)
        return [(item["metric"], on_grid(item["values"], points)) for item in data["result"]]

    async def _call(self, endpoint: str, parameters: dict[str, str], seconds: float) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=seconds, connect=_CONNECT_SECONDS)
        parameters["timeout"] = f"{seconds:g}s"
        url = f"{self.url}/api/v1/{endpoint}"
        try:
            async with self._session.post(url, data=parameters, timeout=timeout) as response:
                status, body = response.status, await response.read()
        except TimeoutError as error:
            raise PrometheusError(
                "timeout",
                f"Prometheus at {self.url} did not answer within {seconds:g} s",
                hint="ask for a shorter window, or look at its load",
            ) from error
        except aiohttp.ClientError as error:
            raise PrometheusError(
                "unreachable",
                f"Prometheus at {self.url} cannot be reached: {_cause(error)}",
                hint="`serflab status` shows whether it runs; `serflab up` starts it again",
            ) from error
        return _payload(self.url, status, body)


def _cause(error: aiohttp.ClientError) -> str:
    # aiohttp's own text holds addresses and objects of its inside.
    number = error.os_error.errno if isinstance(error, aiohttp.ClientConnectorError) else None
    return os.strerror(number) if number and number > 0 else str(error) or type(error).__name__


def _payload(url: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = f"what answers at {url} is no Prometheus (HTTP {status}, not JSON)"
        raise PrometheusError("refused", message, hint="see monitoring.central_prometheus in config.yaml") from error
    if not isinstance(answer, dict) or answer.get("status") != "success":
        text = answer.get("error") if isinstance(answer, dict) else None
        raise PrometheusError("refused", f"Prometheus at {url} refused a query: {text or f'HTTP {status}'}")
    payload: dict[str, Any] = answer["data"]
    return payload


def on_grid(samples: Sequence[Sequence[Any]], points: Grid) -> list[float | None]:
    """Lay `[[seconds, "value"], …]` onto the grid: one entry for each point, None for a gap and for NaN."""
    values: list[float | None] = [None] * len(range(points.start, points.end + 1, points.step))
    for at, text in samples:
        index = round((float(at) - points.start) / points.step)
        value = float(text)
        if 0 <= index < len(values) and math.isfinite(value):
            values[index] = value
    return values


async def gather_queries(
    prometheus: Prometheus, queries: Mapping[str, str], points: Grid
) -> dict[str, list[float | None]]:
    """Run several range queries at once; each must select one series at most, and none gives a list of gaps."""
    answers = await asyncio.gather(*(prometheus.over(query, points) for query in queries.values()))
    return {
        name: answer[0][1] if answer else [None] * len(points.timestamps)
        for name, answer in zip(queries, answers, strict=True)
    }
