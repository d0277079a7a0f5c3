"""A stand-in of the viewer's REST API for peerings and virtual pods: real HTTP on loopback, answers set by the test."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

TEMPLATE = {
    "name": "burst",
    "description": "short peaks",
    "points": 4,
    "image_mib": 240,
    "summary": {metric: {"min": 0, "mean": 1.5, "max": 3} for metric in ("cpu", "memory", "power", "psi")},
    "series": {"cpu": [0, 1, 2, 3], "memory": [8, 8, 8, 8], "power": [0, 0, 0, 0], "psi": [3, 2, 1, 0]},
}


def connection(source="serf1", target="serf2", **changes):
    module = {"state": "Established", "conditions": []}
    return {
        "from": source,
        "to": target,
        "state": "Established",
        "message": "",
        "created_at": time.time() - 130,
        "role": "Provider",
        "modules": {"networking": module, "authentication": module, "offloading": module},
        "virtual_node": {"name": target, "ready": True, "cordoned": False, "draining": False, "reason": ""},
        "resources": {"cpu": 4000, "memory": 8192, "pods": 110},
        "used": {"cpu": 500, "memory": 1024, "pods": 2},
        "quota": "None",
        "path": [source, target],
        "rate": 100e6,
        "delay": 0.5,
        "virtual_pods": {"running": 2, "total": 2},
        **changes,
    }


def virtual_pod(identifier="vp-001", **changes):
    return {
        "id": identifier,
        "origin": "created",
        "source_node": "serf1",
        "namespace": "default",
        "source_pod_name": f"burst-{identifier}",
        "dest_node": "serf2",
        "dest_namespace": "default-serf1",
        "dest_pod_name": f"burst-{identifier}",
        "workload_template": "burst",
        "interval": 5.0,
        "loop": True,
        "created_at": time.time() - 130,
        "status": "Running",
        "reason": "",
        "message": "",
        "ready": True,
        "pod_ip": "10.0.0.7",
        "restarts": 0,
        "point": 11,
        "points": 60,
        "transfer": None,
        **changes,
    }


def operation(identifier, state="Succeeded", **changes):
    kind, _, target = identifier.partition(".")
    document = {"id": identifier, "kind": kind, "target": target, "state": state, "message": ""}
    return {**document, "progress": None, "started": None, "ends": None, **changes}


def transferring(identifier, share, seconds=100.0):
    """An operation whose transfer has come this far."""
    now = time.time()
    times = {"started": now - share * seconds, "ends": now + (1 - share) * seconds}
    return operation(identifier, "Transferring", progress=share, **times)


def cluster(name, pods, **changes):
    listed = [
        {"namespace": namespace, "name": pod, "phase": "Running", "cpu_millicores": 40.0, "virtual": None}
        for namespace, pod in pods
    ]
    namespaces = [{"name": item} for item in ("default", "ns1")]
    return {"node": name, "state": "ready", "message": "", "namespaces": namespaces, "pods": listed, **changes}


def refusal(status, code, message="it is refused", hint=""):
    return status, {"error": {"status": status, "code": code, "message": message, "hint": hint, "details": {}}}


@dataclass
class Request:
    method: str
    path: str
    query: dict
    body: object
    authorization: str | None


@dataclass
class StandIn:
    """What the viewer answers. `answers` are by method and path; each asking of an operation shows its next state."""

    url: str = ""
    answers: dict = field(default_factory=dict)
    operations: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    streams: bool = True
    # A stream ends after so many events, whatever the state then is; so many questions about it are answered by 503.
    events: int = 1000
    outages: int = 0
    # Between two events of a stream; an operation whose last state is no end stays open for so long.
    pace: float = 0.02
    patience: float = 30.0

    def __post_init__(self):
        serfs = [{"name": name, "role": "serf", "state": "ready"} for name in ("serf1", "serf2", "serf3")]
        others = [
            {"name": "serf4", "role": "serf", "state": "absent"},
            {"name": "prometheus", "role": "prometheus", "state": "ready"},
        ]
        self.answers = {
            ("GET", "/api/topology"): (200, {"nodes": [*serfs, *others]}),
            ("GET", "/api/liqo-connections"): (200, {"connections": []}),
            ("GET", "/api/virtual-pods"): (200, {"virtual_pods": []}),
            ("GET", "/api/operations"): (200, {"operations": []}),
            ("GET", "/api/workload-templates"): (200, {"templates": []}),
            ("GET", "/api/node/serf1/cluster-info"): (200, cluster("serf1", [("ns1", "web-0"), ("ns1", "db-0")])),
        }

    def connect(self, *connections):
        """Let there be these peerings."""
        self.answers["GET", "/api/liqo-connections"] = 200, {"connections": list(connections)}

    def hold(self, *pods):
        """Let there be these virtual pods."""
        self.answers["GET", "/api/virtual-pods"] = 200, {"virtual_pods": list(pods)}
        for pod in pods:
            self.answers["GET", f"/api/virtual-pods/{pod['id']}"] = 200, {"virtual_pod": pod}

    def begin(self, method, path, states, **more):
        """Answer a write by an operation, of which these are the states."""
        states = list(states)
        identifier = states[0]["id"]
        self.operations[identifier] = states
        location = {"Location": f"/api/operations/{identifier}"}
        self.answers[method, path] = 202, {"operation": states[0], **more}, location

    def sent(self, method):
        """Return the requests of a method as `(path, query or body)`."""
        return [(item.path, item.body or item.query) for item in self.requests if item.method == method]

    def state(self, identifier):
        """Return the state of an operation, and go on to its next."""
        states = self.operations[identifier]
        return states.pop(0) if len(states) > 1 else states[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments):
        pass

    def _answer(self):
        stand_in = self.server.stand_in
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        query = dict(parse_qsl(parts.query))
        stand_in.requests.append(
            Request(self.command, parts.path, query, body, self.headers.get("Authorization")),
        )
        if parts.path.startswith("/api/operations/"):
            self._operation(stand_in, parts.path.removeprefix("/api/operations/"))
            return
        answer = stand_in.answers.get((self.command, parts.path), refusal(404, "not_found", "no such path"))
        # A list has an answer for each request, the last one for all further.
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        self._send(*answer)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  as http.server calls them

    def _operation(self, stand_in, rest):
        identifier, _, events = rest.partition("/")
        if stand_in.outages > 0:
            stand_in.outages -= 1
            self._send(*refusal(503, "offload_unavailable", "the manager is away"))
        elif identifier not in stand_in.operations:
            self._send(*refusal(404, "unknown_operation", f"there is no operation {identifier!r}"))
        elif not events:
            self._send(200, {"operation": stand_in.state(identifier)})
        elif not stand_in.streams:
            self._send(*refusal(503, "too_many_streams", "too many streams"))
        else:
            self._stream(stand_in, identifier)

    def _stream(self, stand_in, identifier):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b"retry: 2000\n\n: a comment\n\nevent: ping\ndata: {}\n\n")
        for _ in range(stand_in.events):
            state = stand_in.state(identifier)
            self.wfile.write(b"event: operation\ndata: %s\n\n" % json.dumps(state).encode())
            self.wfile.flush()
            if state["state"] in {"Succeeded", "Failed"}:
                return
            if len(stand_in.operations[identifier]) == 1 and stand_in.operations[identifier][0] is state:
                self.server.stopping.wait(stand_in.patience)
                return
            time.sleep(stand_in.pace)

    def _send(self, status, document, headers=None):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stopping = threading.Event()
        self.stand_in = StandIn(f"http://127.0.0.1:{self.server_address[1]}")

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self.stand_in

    def __exit__(self, *_):
        self.stopping.set()
        self.shutdown()
        self.server_close()
