"""Stand-ins of `kind`, `docker`, `podman`, `kubectl` and `serflab` for the test of setup-kind-env.sh.

The real ones need images from a registry, which the machines of the tests do not have. Each stand-in does what the real
one does for what the script asks, as far as the next step can tell: clusters and images are kept in a file, `kubectl`
refuses what that cluster would refuse (a namespace or definition that is not there yet), and Deployments become
available when their images and ConfigMaps are there. Options are those of `kind` 0.33, `docker` 29, `podman` 5 and
`kubectl` 1.36; everything else is refused, as they do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

import yaml

STATE = Path(os.environ.get("STAND_INS", "."))
KWOK_OBJECTS = {"kwok.yaml": "Deployment/kube-system/kwok-controller", "stage-fast.yaml": "Stage//pod-ready"}


class State:
    """What the stand-ins know, in a file."""

    def __init__(self) -> None:
        self._file = STATE / "state.json"
        empty = {"clusters": {}, "images": [], "calls": [], "contexts": []}
        self.data = json.loads(self._file.read_text()) if self._file.exists() else empty

    def save(self) -> None:
        self._file.write_text(json.dumps(self.data, indent=1))


def refuse(message: str, status: int = 1) -> NoReturn:
    sys.stderr.write(f"{Path(sys.argv[0]).name}: {message}\n")
    raise SystemExit(status)


class Parser(argparse.ArgumentParser):
    """Options of which none may be shortened."""

    def __init__(self, **more) -> None:
        super().__init__(allow_abbrev=False, add_help=False, **more)


# --- kind ---


# Options and names of each command, besides --name.
KIND = {
    ("create", "cluster"): (("config", "image", "kubeconfig", "wait"), 0),
    ("delete", "cluster"): (("kubeconfig",), 0),
    ("get", "clusters"): ((), 0),
    ("export", "kubeconfig"): (("kubeconfig",), 0),
    ("load", "docker-image"): (("nodes",), 1),
    ("load", "image-archive"): (("nodes",), 1),
}


def kind(state: State, arguments: list[str]) -> None:
    verb, noun = arguments[:2]
    if (verb, noun) not in KIND:
        refuse(f"unknown command {verb} {noun}")
    options, names = KIND[verb, noun]
    parser = Parser()
    for option in options:
        parser.add_argument(f"--{option}")
    if noun != "clusters":
        parser.add_argument("--name", default="kind")
    if names:
        parser.add_argument("names", nargs="+")
    asked = parser.parse_args(arguments[2:], argparse.Namespace(noun=noun))
    engine = os.environ.get("KIND_EXPERIMENTAL_PROVIDER", "docker")
    mine = {name: one for name, one in state.data["clusters"].items() if one["engine"] == engine}
    do = {"create": _create, "delete": _delete, "get": _get, "export": _export, "load": _load}
    do[verb](state, asked, mine, engine)


def _create(state, asked, mine, engine) -> None:
    if asked.name in mine:
        refuse(f'failed to create cluster: node(s) already exist for a cluster with the name "{asked.name}"')
    config = yaml.safe_load(Path(asked.config).read_text())
    if (config["kind"], config["apiVersion"]) != ("Cluster", "kind.x-k8s.io/v1alpha4"):
        refuse("unknown apiVersion or kind")
    state.data["clusters"][asked.name] = {
        "engine": engine,
        "images": [],
        "node_image": asked.image,
        "objects": ["Namespace//default", "Namespace//kube-system"],
    }
    state.data["contexts"].append(f"kind-{asked.name}")


def _delete(state, asked, mine, _engine) -> None:
    if asked.name in mine:
        del state.data["clusters"][asked.name]


def _get(_state, _asked, mine, _engine) -> None:
    if mine:
        print(*mine, sep="\n")
    else:
        sys.stderr.write("No kind clusters found.\n")


def _export(state, asked, mine, _engine) -> None:
    if asked.name not in mine:
        refuse(f'could not locate any control plane nodes for cluster named "{asked.name}"')
    state.data["contexts"].append(f"kind-{asked.name}")


def _load(state, asked, mine, engine) -> None:
    if asked.name not in mine:
        refuse(f'no nodes found for cluster "{asked.name}"')
    for name in asked.names:
        if asked.noun == "image-archive":
            images = json.loads(Path(name).read_text())
        elif [engine, name] in state.data["images"] and engine == "docker":
            images = [name]
        else:
            refuse(f'image: "{name}" not present locally')
        mine[asked.name]["images"] += images


# --- engines ---


def engine(name: str, state: State, arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print("podman version 5.4.2" if os.environ.get(f"{name}_IS_PODMAN") else f"{name.title()} version 29.1")
    elif arguments == ["info"]:
        if os.environ.get(f"{name}_IS_DOWN"):
            refuse("cannot connect")
    elif name == "podman" and arguments[0] == "save":
        parser = Parser()
        parser.add_argument("--output", required=True)
        parser.add_argument("image")
        asked = parser.parse_args(arguments[1:])
        if [name, asked.image] not in state.data["images"]:
            refuse(f"{asked.image}: image not known", 125)
        Path(asked.output).write_text(json.dumps([asked.image]))
    else:
        refuse(f"unknown arguments: {arguments}", 125)


def serflab(state: State, arguments: list[str]) -> None:
    parser = Parser()
    parser.add_argument("group", choices=["image"])
    parser.add_argument("command", choices=["build-rebalance"])
    parser.add_argument("--engine", choices=["docker", "podman"], default="docker")
    asked = parser.parse_args(arguments)
    state.data["images"].append([asked.engine, "localhost/serflab/rebalance:latest"])


# --- kubectl ---


def kubectl(state: State, arguments: list[str]) -> None:
    parser = Parser()
    parser.add_argument("--context", required=True)
    parser.add_argument("-n", dest="namespace", default="default")
    verbs = parser.add_subparsers(dest="verb", required=True)
    apply = verbs.add_parser("apply")
    for flag in ("--server-side", "--force-conflicts"):
        apply.add_argument(flag, action="store_true")
    apply.add_argument("--field-manager")
    apply.add_argument("-f", dest="file", required=True)
    wait = verbs.add_parser("wait")
    wait.add_argument("--for", dest="condition", required=True)
    wait.add_argument("--timeout")
    wait.add_argument("-f", dest="file")
    wait.add_argument("names", nargs="*")
    get = verbs.add_parser("get")
    get.add_argument("--raw")
    get.add_argument("names", nargs="*")
    create = verbs.add_parser("create")
    create.add_argument("what", choices=["secret"])
    create.add_argument("type", choices=["generic"])
    create.add_argument("name")
    create.add_argument("--from-file", dest="file", required=True)
    rollout = verbs.add_parser("rollout")
    rollout.add_argument("what", choices=["restart"])
    rollout.add_argument("names", nargs="+")
    asked = parser.parse_args(arguments)
    if asked.context not in state.data["contexts"]:
        refuse(f'context "{asked.context}" does not exist')
    cluster = state.data["clusters"].get(asked.context.removeprefix("kind-"))
    if cluster is None:
        refuse("the connection to the server was refused")
    do = {"apply": _apply, "wait": _wait, "get": _get_object, "create": _create_secret, "rollout": _restart}
    do[asked.verb](cluster, asked)


def _apply(cluster, asked) -> None:
    if asked.file.startswith("https://"):
        cluster["objects"].append(KWOK_OBJECTS[asked.file.rpartition("/")[2]])
        cluster.setdefault("urls", []).append(asked.file)
        return
    for body in yaml.safe_load_all(Path(asked.file).read_text(encoding="utf-8")):
        if body["kind"] == "PrometheusRule" and _operator() not in cluster["objects"]:
            refuse('no matches for kind "PrometheusRule" in version "monitoring.coreos.com/v1"')
        space = body["metadata"].get("namespace", "")
        if space and f"Namespace//{space}" not in cluster["objects"]:
            refuse(f'namespaces "{space}" not found')
        cluster["objects"].append(f"{body['kind']}/{space}/{body['metadata']['name']}")
        if body["kind"] == "Deployment":
            cluster.setdefault("needs", {})[f"{space}/{body['metadata']['name']}"] = _needs(body, space)


def _needs(deployment, space) -> list[str]:
    """Return the images and ConfigMaps without which the pods do not start."""
    spec = deployment["spec"]["template"]["spec"]
    images = [container["image"] for container in spec["containers"]]
    maps = [volume["configMap"]["name"] for volume in spec.get("volumes", ()) if "configMap" in volume]
    return [image for image in images if image.startswith("localhost/")] + [
        f"ConfigMap/{space}/{name}" for name in maps
    ]


def _wait(cluster, asked) -> None:
    there = {*cluster["objects"], *cluster["images"]}
    for name in asked.names:
        name = f"{asked.namespace}/{name.removeprefix('deployment/')}"  # noqa: PLW2901
        missing = {f"Deployment/{name}", *cluster.get("needs", {}).get(name, ())} - there
        if missing:
            refuse(f"timed out waiting for the condition on deployments/{name}: {sorted(missing)}")
    if asked.file and not Path(asked.file).exists():
        refuse(f'the path "{asked.file}" does not exist')


def _get_object(cluster, asked) -> None:
    if asked.raw == "/apis/admissionregistration.k8s.io/v1":
        names = ["validatingadmissionpolicies", "validatingwebhookconfigurations"]
        if "v1.35" not in (cluster["node_image"] or ""):
            names.append("mutatingadmissionpolicies")
        print(json.dumps({"resources": [{"name": name} for name in names]}, separators=(",", ":")))
        return
    kind, name = asked.names
    if kind == "secret" and f"{asked.namespace}/{name}" in cluster.get("secrets", {}):
        return
    if kind != "crd" or f"CustomResourceDefinition//{name}" not in cluster["objects"]:
        refuse(f'{kind} "{name}" not found')


def _create_secret(cluster, asked) -> None:
    name, (key, _, file) = f"{asked.namespace}/{asked.name}", asked.file.partition("=")
    if f"Namespace//{asked.namespace}" not in cluster["objects"]:
        refuse(f'namespaces "{asked.namespace}" not found')
    if name in cluster.setdefault("secrets", {}):
        refuse(f'secrets "{asked.name}" already exists')
    cluster["secrets"][name] = {key: Path(file).read_text(encoding="utf-8")}


def _restart(cluster, asked) -> None:
    for name in asked.names:
        if f"Deployment/{asked.namespace}/{name.removeprefix('deployment/')}" not in cluster["objects"]:
            refuse(f'deployments.apps "{name}" not found')
        cluster.setdefault("restarted", []).append(name.removeprefix("deployment/"))


def _operator() -> str:
    return "CustomResourceDefinition//prometheusrules.monitoring.coreos.com"


def main() -> None:
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    state = State()
    state.data["calls"].append([name, *arguments])
    state.save()
    if os.environ.get("FAIL_AT") and os.environ["FAIL_AT"] in " ".join([name, *arguments]):
        refuse("it fails, as the test wants")
    do = {"kind": kind, "kubectl": kubectl, "serflab": serflab}.get(name)
    if do:
        do(state, arguments)
    else:
        engine(name, state, arguments)
    state.save()


if __name__ == "__main__":
    main()
