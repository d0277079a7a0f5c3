#!/usr/bin/env bash
# Bring up the rebalancing loop in a KIND cluster, with Docker or Podman; what is there already is kept and renewed.
# Usage: ./setup-kind-env.sh [--dry-run] [--image NODE_IMAGE]    or: ./setup-kind-env.sh --delete [--dry-run]
# KIND_EXPERIMENTAL_PROVIDER=docker|podman chooses the engine; otherwise Docker is taken where it answers, then Podman.
# Exit status: 0 done, 1 failed, 2 bad usage.
set -euo pipefail

readonly cluster=node-classifier-sim context=kind-node-classifier-sim image=localhost/serflab/rebalance:latest
readonly kwok=https://github.com/kubernetes-sigs/kwok/releases/download
home="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly home config="$home/k8s/kind/cluster.yaml"

problem() {
    printf 'error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf '  hint: %s\n' "$2" >&2
}

fail() {
    problem "$@"
    exit 1
}

misused() {
    printf 'error: %s\nusage: ./setup-kind-env.sh [--dry-run] [--image NODE_IMAGE] | --delete [--dry-run]\n' "$1" >&2
    exit 2
}

# --- what is asked for ---

dry_run='' delete='' node_image=''
while [ $# -gt 0 ]; do
    case "$1" in
        --dry-run) dry_run=yes ;;
        --delete) delete=yes ;;
        --image) [ $# -gt 1 ] || misused "--image needs the name of an image"; node_image="$2"; shift ;;
        -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
        *) misused "unknown argument $1" ;;
    esac
    shift
done
[ -z "$delete" ] || [ -z "$node_image" ] || misused "--delete takes no --image"

# --- what there is ---

answers() { [ "$1" != docker ] || [[ "$(docker --version 2>/dev/null)" == Docker* ]] || return 1; "$1" info >/dev/null 2>&1; }

# Sets `engine`; some distributions have a `docker` that is Podman, which KIND does not take for Docker.
choose_engine() {
    local asked="${KIND_EXPERIMENTAL_PROVIDER:-}"
    case "$asked" in
        docker | podman)
            command -v "$asked" >/dev/null || { problem "KIND_EXPERIMENTAL_PROVIDER is $asked, and there is no $asked command"; return 1; }
            answers "$asked" || { problem "KIND_EXPERIMENTAL_PROVIDER is $asked, and \`$asked info\` fails" "is its service running, and may you use it?"; return 1; }
            engine="$asked" ;;
        '')
            for engine in docker podman; do answers "$engine" && return 0; done
            problem "neither Docker nor Podman answers" "install one of them, or start its service; \`docker info\` or \`podman info\` tells more"
            return 1 ;;
        *)
            problem "KIND_EXPERIMENTAL_PROVIDER is $asked" "this script knows docker and podman"
            return 1 ;;
    esac
}

has() { command -v "$1" >/dev/null || { problem "there is no $1 command on PATH" "$2"; return 1; }; }

find_serflab() {
    if [ -x "$home/.venv/bin/serflab" ]; then
        serflab="$home/.venv/bin/serflab"
    else
        has serflab "\`SERFLAB_SETUP_ONLY=1 ./setup_emulation.sh\` installs it into .venv" && serflab=serflab
    fi
}

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

engine='' serflab='' found=yes
choose_engine || found=''
has kind "https://kind.sigs.k8s.io/docs/user/quick-start/#installation tells where to get it; 0.32 or newer" || found=''
[ -n "$delete" ] || has kubectl "https://kubernetes.io/docs/tasks/tools/ tells where to get it" || found=''
[ -n "$delete" ] || find_serflab || found=''
[ -n "$found" ] || exit 1
export KIND_EXPERIMENTAL_PROVIDER="$engine"

# Of Prometheus, exporter and descheduler, in this order.
mapfile -t ports < <(sed -n 's/^.*hostPort: \([0-9]*\).*$/\1/p' "$config" || true)
[ ${#ports[@]} -eq 3 ] || fail "$config does not name the three ports of the cluster" "\`git checkout\` brings the file back"
clusters="$(kind get clusters 2>/dev/null)" || fail "\`kind get clusters\` fails with $engine" "run it by itself to see why"
exists=''
grep -qxF "$cluster" <<<"$clusters" && exists=yes
if [ -z "$exists$delete" ]; then
    for port in "${ports[@]}"; do
        port_is_taken "$port" && { problem "port $port of 127.0.0.1 is in use" "the cluster needs it; end what listens there, or name another hostPort in $config"; found=''; }
    done
fi
version="$(sed -n 's|^.*sigs\.k8s\.io/kwok \(v[0-9.]*\).*|\1|p' "$home/tools/cluster/go.mod")"
[ -n "$version" ] || { problem "$home/tools/cluster/go.mod names no version of KWOK" "\`git checkout\` brings the file back"; found=''; }
[ -n "$found" ] || exit 1

# --- doing it ---

step() { printf '\n== %s\n' "$1"; }

# Run a command, or with --dry-run only print it; after a failure say what it was about. The first argument is that.
run() {
    local about="$1"
    shift
    if [ -n "$dry_run" ]; then
        printf 'would run:'
        printf ' %q' "$@"
        printf '\n'
        return
    fi
    "$@" || fail "$about failed" "the lines above tell why; running this script again goes on from here"
}

in_cluster() { local about="$1"; shift; run "$about" kubectl --context="$context" "$@"; }

apply() { in_cluster "applying $1" apply --server-side --force-conflicts --field-manager=setup-kind-env -f "$home/k8s/$1"; }

available() { in_cluster "waiting for $2 in namespace $1" -n "$1" wait --for=condition=Available --timeout=180s "deployment/$2"; }

if [ -n "$delete" ]; then
    if [ -n "$exists" ]; then
        run "deleting cluster $cluster" kind delete cluster --name="$cluster"
    else
        printf 'there is no cluster %s\n' "$cluster"
    fi
    exit 0
fi

step "cluster $cluster, with $engine"
if [ -n "$exists" ]; then
    printf 'it is there already\n'
    run "writing its kubeconfig" kind export kubeconfig --name="$cluster"
else
    run "creating cluster $cluster" kind create cluster --name="$cluster" --config="$config" \
        --wait=180s ${node_image:+--image="$node_image"}
fi

if [ -z "$dry_run" ]; then
    kubectl --context="$context" get --raw /apis/admissionregistration.k8s.io/v1 | grep -q '"mutatingadmissionpolicies"' ||
        fail "the Kubernetes of cluster $cluster has no MutatingAdmissionPolicy in version v1" \
            "1.36 or newer has: ./setup-kind-env.sh --delete, then once more with KIND 0.32 or with --image kindest/node:v1.36.1"
fi

step "KWOK $version"
for file in kwok.yaml stage-fast.yaml; do
    in_cluster "installing KWOK ($file)" apply --server-side --force-conflicts -f "$kwok/$version/$file"
done
available kube-system kwok-controller

step "image $image"
run "building the image" "$serflab" image build-rebalance --engine="$engine"
if [ "$engine" = docker ]; then
    run "loading the image onto the node" kind load docker-image "$image" --name="$cluster"
else
    # What Podman has built, `kind load docker-image` does not find.
    archive="$(mktemp -d)"
    trap 'rm -rf "$archive"' EXIT
    run "writing the image to a file" podman save --output="$archive/rebalance.tar" "$image"
    run "loading the image onto the node" kind load image-archive "$archive/rebalance.tar" --name="$cluster"
fi

step "the loop"
apply namespaces.yaml
apply virtualmachine-crd.yaml
in_cluster "waiting for the definitions" wait --for=condition=Established --timeout=60s -f "$home/k8s/virtualmachine-crd.yaml"
apply kwok-nodes.yaml
# Who writes to the exporter needs it; one that is there stays.
if [ -n "$dry_run" ] || ! kubectl --context="$context" -n monitoring get secret metrics-exporter-token >/dev/null 2>&1; then
    run "making the exporter's token" bash -c "head -c 24 /dev/urandom | base64 | tr -d '\\n' |
        kubectl --context=$context -n monitoring create secret generic metrics-exporter-token --from-file=token=/dev/stdin"
fi
# Policies and webhook before the first VM, so that none is without them.
for file in admission-policies eviction-webhook vm-controller prometheus-rules-config prometheus metrics-exporter descheduler-policy descheduler; do
    apply "$file.yaml"
done
# A PrometheusRule only means something where Prometheus' operator is.
if [ -z "$dry_run" ] && kubectl --context="$context" get crd prometheusrules.monitoring.coreos.com >/dev/null 2>&1; then
    apply prometheus-rules.yaml
fi
if [ -n "$exists" ]; then
    # Their images and files may have changed under the same names.
    in_cluster "restarting the loop" -n default rollout restart deployment/eviction-webhook deployment/vm-controller
    in_cluster "restarting the loop" -n monitoring rollout restart deployment/prometheus deployment/metrics-exporter
    in_cluster "restarting the loop" -n kube-descheduler rollout restart deployment/descheduler
fi
available default eviction-webhook
available default vm-controller
available monitoring metrics-exporter
available monitoring prometheus
available kube-descheduler descheduler

[ -z "$dry_run" ] || exit 0
cat <<EOF

The loop runs. Next:
  kubectl --context=$context apply -f k8s/example-vms.yaml      # some VMs
  kubectl --context=$context get vm -w                          # see them move
  kubectl --context=$context -n kube-descheduler logs deployment/descheduler -f
  ./setup-kind-env.sh --delete                                  # take it all away
Another scenario:
  token=\$(kubectl --context=$context -n monitoring get secret metrics-exporter-token -o jsonpath='{.data.token}' | base64 -d)
  curl -H "Authorization: Bearer \$token" -H 'Content-Type: application/json' --data-binary @scenario.json http://localhost:${ports[1]}/scenario
Prometheus:  http://localhost:${ports[0]}
exporter:    http://localhost:${ports[1]}/metrics
descheduler: https://localhost:${ports[2]}/metrics
EOF
