#!/usr/bin/env bash
# Bring the whole lab up: make .venv from the lock files, install the page's packages, then hand over to `serflab up`.
# All arguments go to `serflab up`; run it again at any time, it repairs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() { printf 'error: %s\n' "$1" >&2; [ -z "${2:-}" ] || printf '  hint: %s\n' "$2" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "there is no $python on this machine" "install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || fail "$("$python" --version) is too old" "install Python 3.11 or newer, or name it: PYTHON=python3.12 $0"

# Install again only when what is to be installed has changed; the stamp is written last. What is installed for the
# tests (SERFLAB_DEV) serves a lab as well.
lock=requirements.lock
digest=$(cat requirements*.lock pyproject.toml tools/requirements-build.lock flask-app/package-lock.json | sha256sum)
have=$(cat .venv/.serflab-stamp 2>/dev/null || true)
if [ -n "${SERFLAB_DEV:-}" ] || [ "$have" = "${digest%% *} requirements-dev.lock" ]; then lock=requirements-dev.lock; fi
stamp="${digest%% *} $lock"
if [ "$have" != "$stamp" ]; then
  echo "installing the Python packages into .venv …" >&2
  [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 || {
    rm -rf .venv
    "$python" -m venv .venv \
      || fail "$python cannot make a virtual environment" "on Debian and Ubuntu: apt-get install python3-venv"
  }
  pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes)
  "${pip[@]}" -r tools/requirements-build.lock -r "$lock" \
    || fail "the Python packages could not be installed" "is the Python package index reachable from here?"
  .venv/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --no-build-isolation --editable . \
    || fail "serflab itself could not be installed into .venv"
  echo "installing the packages of the page …" >&2
  packages=()
  [ "$lock" = requirements.lock ] || packages=(--dev)
  .venv/bin/python -m serflab.lab.tools.npm ${packages[@]+"${packages[@]}"} || exit $?
  echo "$stamp" > .venv/.serflab-stamp
fi

[ -z "${SERFLAB_SETUP_ONLY:-}" ] || exit 0
exec .venv/bin/serflab up "$@"
