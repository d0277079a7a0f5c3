"""Queries against a server that answers as Prometheus does, and as it does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from serflab.lab.load import THRESHOLDS, level, read_load
from serflab.lab.pod_usage import RecentPodUsage, read_pod_usage
from serflab.lab.prometheus_query import Grid, Prometheus, PrometheusError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

Answer = dict[str, Any] | web.Response


def vector(*series: tuple[dict[str, str], str]) -> dict[str, Any]:
    result = [{"metric": labels, "value": [1, value]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


class Server:
    """Answers every query with what the test has put into `answers`, by a part of the query."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        answer = next(answer for part, answer in self.answers.items() if part in form["query"])
        return answer if isinstance(answer, web.Response) else web.json_response(answer)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def prometheus(server: Server) -> AsyncIterator[Prometheus]:
    app = web.Application()
    app.router.add_post("/api/v1/query", server.handle)
    app.router.add_post("/api/v1/query_range", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as session:
        yield Prometheus(session, f"http://{host}:{port}")
    await runner.cleanup()


async def reason_of(question: Callable[[], Awaitable[object]]) -> PrometheusError:
    with pytest.raises(PrometheusError) as caught:
        await question()
    return caught.value


async def test_the_load_of_every_serf_comes_from_one_poll(prometheus: Prometheus, server: Server) -> None:
    server.answers = {
        "up{": vector(({"serf": "serf1"}, "1"), ({"serf": "serf2"}, "0")),
        "serflab:serf_cpu:percent": vector(({"serf": "serf1"}, "61.5")),
        "serflab:serf_memory:percent": vector(),
        "serflab:serf_psi:percent": vector(({"serf": "serf1"}, "NaN")),
        "serflab:serf_power:watts": vector(({"serf": "serf1"}, "140")),
    }
    lab = await read_load(prometheus)
    assert lab.targets == {"serf1": True, "serf2": False}
    load = lab.loads["serf1"]
    assert (load.cpu, load.power, load.psi, load.memory) == (61.5, 140.0, None, None)
    assert "serf2" not in lab.loads


async def test_old_values_do_not_pass_for_current_ones(prometheus: Prometheus, server: Server) -> None:
    server.answers = {"": vector()}
    await prometheus.instant("anything")
    assert server.asked[0]["lookback_delta"] == "15"


async def test_the_values_of_pods_come_by_name(prometheus: Prometheus, server: Server) -> None:
    pod = {"namespace": "ns1", "pod": "web-0"}
    server.answers = {
        'emulation_pod_cpu_millicores{serf="serf1"}': vector((pod, "40")),
        'emulation_pod_memory_mi{serf="serf1"}': vector((pod, "85")),
        'serf="serf1"': vector(),
    }
    assert await read_pod_usage(prometheus, "serf1") == {("ns1", "web-0"): {"cpu": 40.0, "memory": 85.0}}


async def test_readers_at_the_same_time_share_one_question(prometheus: Prometheus, server: Server) -> None:
    server.answers = {'serf="serf': vector(({"namespace": "ns1", "pod": "web-0"}, "40"))}
    usage = RecentPodUsage()
    first, second = await asyncio.gather(usage.of(prometheus, "serf1"), usage.of(prometheus, "serf1"))
    assert first == second == {("ns1", "web-0"): dict.fromkeys(("cpu", "memory", "psi", "power"), 40.0)}
    assert len(server.asked) == 4
    await usage.of(prometheus, "serf2")
    assert len(server.asked) == 8


async def test_a_range_is_laid_onto_its_grid(prometheus: Prometheus, server: Server) -> None:
    series = {"metric": {"serf": "serf1"}, "values": [[100, "1"], [120, "3"]]}
    server.answers = {"": {"status": "success", "data": {"resultType": "matrix", "result": [series]}}}
    assert await prometheus.over("q", Grid(100, 120, 10)) == [({"serf": "serf1"}, [1.0, None, 3.0])]
    assert (server.asked[0]["start"], server.asked[0]["end"], server.asked[0]["step"]) == ("100", "120", "10")


async def test_a_refused_query_says_why(prometheus: Prometheus, server: Server) -> None:
    body = {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}
    server.answers = {"": web.json_response(body, status=400)}
    error = await reason_of(lambda: prometheus.instant("("))
    assert error.reason == "refused"
    assert "parse error: unexpected end" in error.message


async def test_another_server_on_the_port_is_told_as_such(prometheus: Prometheus, server: Server) -> None:
    server.answers = {"": web.Response(text="<html>hello</html>")}
    error = await reason_of(lambda: prometheus.instant("up"))
    assert error.reason == "refused"
    assert "is no Prometheus (HTTP 200, not JSON)" in error.message


async def test_no_server_at_all_is_unreachable(closed_port: int) -> None:
    async with aiohttp.ClientSession() as session:
        absent = Prometheus(session, f"http://127.0.0.1:{closed_port}")
        error = await reason_of(lambda: absent.instant("up"))
    assert error.reason == "unreachable"
    assert error.message == f"Prometheus at {absent.url} cannot be reached: Connection refused"
    assert "serflab up" in error.hint


@pytest.mark.parametrize(
    ("cpu", "colour"),
    [(0.0, "green"), (19.99, "green"), (20.0, "amber"), (60.0, "amber"), (60.01, "red"), (140.0, "red")],
)
def test_the_colours_of_the_load(cpu: float, colour: str) -> None:
    assert level(cpu, THRESHOLDS["cpu"]) == colour
