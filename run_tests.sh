#!/usr/bin/env bash
# Run the whole test suite: style, types, rooms, then the tests on real clusters. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

SERFLAB_DEV=1 SERFLAB_SETUP_ONLY=1 ./setup_emulation.sh
export PATH="$PWD/.venv/bin:$PATH"

if [ $# -eq 0 ]; then
  ruff check . && ruff format --check .
  mypy
  lint-imports
fi
serflab tools install
[ -n "$(type -P chromium || type -P chromium-browser || type -P google-chrome)" ] || {
  echo "error: the page is tested in Chromium, which is not on this machine" >&2
  echo "  hint: on Debian and Ubuntu: apt-get install chromium" >&2
  exit 1
}
run() { pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder "$@"; }
[ $# -eq 0 ] || { run "$@"; exit; }
# One after the other, so that the clusters of one part are gone before the labs of the next come up.
failed=0
run tests/unit tests/integration || failed=1
# A browser drops its connections whenever a network interface comes or goes, as they do with containers.
if [ -n "${CI:-}" ] || docker version >/dev/null 2>&1; then
  run tests/containers || failed=1
else
  echo "tests/containers is left out: no Docker engine answers here" >&2
fi
run tests/e2e || failed=1
exit $failed
