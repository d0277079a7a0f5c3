"""A small HTTP server that answers as a test tells it to, in the place of an API server."""

from aiohttp import web

from serflab.kube.client import ApiClient, RetryPolicy
from serflab.kube.credentials import Credentials

QUICK = RetryPolicy(attempts=4, initial=0.001, longest=0.002)


class FakeServer:
    """Answers each request by `answers`, in their order; keeps the requests that came."""

    def __init__(self):
        self.requests: list[tuple[str, str, dict, bytes]] = []
        self.answers = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, str(request.rel_url), dict(request.headers), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "drop":
            request.transport.abort()
            return web.Response()
        return await answer(request) if callable(answer) else answer

    def client(self, retry: RetryPolicy = QUICK) -> ApiClient:
        return ApiClient(Credentials(self.url, headers={"Authorization": "Bearer t"}), retry=retry, timeout=5)


def status(code: int, message: str = "no", **headers: str):
    """An answer with a Kubernetes Status object."""

    async def answer(_: web.Request) -> web.Response:
        body = {"kind": "Status", "code": code, "reason": "Because", "message": message}
        return web.json_response(
            body, status=code, headers={key.replace("_", "-"): value for key, value in headers.items()}
        )

    return answer


def ok(**body):
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    return answer
