"""What the pods of a serf use now, as Prometheus tells it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serflab.lab.metrics import METRICS

if TYPE_CHECKING:
    from serflab.lab.prometheus_query import Prometheus

# Shorter than a scrape.
_SHARED_SECONDS = 2.0

PodUsage = dict[tuple[str, str], dict[str, float]]


@dataclass(frozen=True, slots=True)
class _Question:
    url: str
    asked: float
    answer: asyncio.Task[PodUsage]


class RecentPodUsage:
    """Asks for a serf's pods at most every two seconds, however many readers want to know.

    With ten thousand pods an answer is some megabytes.
    """

    def __init__(self) -> None:
        self._questions: dict[str, _Question] = {}

    async def of(self, prometheus: Prometheus, serf: str) -> PodUsage:
        """Return what `read_pod_usage` does, up to two seconds old; raises `PrometheusError`."""
        question, now = self._questions.get(serf), time.monotonic()
        if question is None or question.url != prometheus.url or now - question.asked >= _SHARED_SECONDS:
            question = _Question(prometheus.url, now, asyncio.create_task(read_pod_usage(prometheus, serf)))
            self._questions[serf] = question
        # One reader who no longer waits does not take the answer from the others.
        return await asyncio.shield(question.answer)


async def read_pod_usage(prometheus: Prometheus, serf: str) -> dict[tuple[str, str], dict[str, float]]:
    """Return the current values of every pod of a serf by (namespace, pod): millicores, Mi, percent, watts.

    Raises `PrometheusError`.
    """
    answers = await asyncio.gather(*(prometheus.instant(metric.of_pod(serf=serf)) for metric in METRICS.values()))
    usage: dict[tuple[str, str], dict[str, float]] = {}
    for name, samples in zip(METRICS, answers, strict=True):
        for sample in samples:
            labels = sample.labels
            usage.setdefault((labels.get("namespace", ""), labels.get("pod", "")), {})[name] = sample.value
    return usage
