#!/usr/bin/env bash
# Install the VirtualMachine definitions into the cluster of kubectl's current context, and wait until they are served.
# Usage: ./setup_vm_crd.sh [--dry-run]    Exit status: 0 done, 1 failed, 2 bad usage.
set -euo pipefail

fail() {
    printf 'error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf '  hint: %s\n' "$2" >&2
    exit 1
}

dry_run=
case "${1:-}" in
    "") ;;
    --dry-run) dry_run=--dry-run=server ;;
    -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    *) printf 'error: unknown argument %s\nusage: ./setup_vm_crd.sh [--dry-run]\n' "$1" >&2; exit 2 ;;
esac

manifest="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/k8s/virtualmachine-crd.yaml"
[ -f "$manifest" ] || fail "$manifest is missing" "run this script from a checkout"
command -v kubectl >/dev/null || fail "there is no kubectl on PATH" \
    "\`serflab rebalance crd\` installs the definitions without it"
context="$(kubectl config current-context 2>/dev/null)" || fail "kubectl has no current context" \
    "name a kubeconfig in KUBECONFIG; \`serflab kubeconfig SERF\` prints the path of a serf's"
kubectl version --request-timeout=10s >/dev/null 2>&1 || fail "the API server of context $context does not answer" \
    "is the cluster up? \`serflab status\` tells it of a lab"

printf 'context %s:\n' "$context"
kubectl apply ${dry_run:+"$dry_run"} -f "$manifest" || fail "the API server of context $context refuses the definitions"
[ -n "$dry_run" ] || kubectl wait --for=condition=Established --timeout=60s -f "$manifest" ||
    fail "the definitions are not served after a minute" "\`kubectl describe crd virtualmachines.simulation.node-classifier.io\` tells why"
