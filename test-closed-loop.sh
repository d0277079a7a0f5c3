#!/bin/sh
# Prove that the closed loop of load-aware rebalancing works, with the real descheduler, and print a report.
# Brings up a serf and a loop of its own, beside whatever is up, and takes them away again. Exit status 0: it works.
set -eu
cd "$(dirname "$0")"
serflab=.venv/bin/serflab
[ -x "$serflab" ] || serflab=serflab
if ! command -v "$serflab" >/dev/null 2>&1; then
    echo "serflab is not installed here: SERFLAB_SETUP_ONLY=1 ./setup_emulation.sh" >&2
    exit 2
fi
exec "$serflab" rebalance prove "$@"
