#!/bin/sh
# In the build of an image: install the wheels that lie beside this file, the packages of the lock file below
# /installed/packages, serflab itself below /installed/serflab. Bytecode is written here, as a container's file system may
# be read-only. Nothing is fetched.
set -eu
wheels=$(dirname "$0")

pip() {
  PYTHONPATH=$(echo "$wheels"/pip-*.whl) python3 -m pip "$@" --no-index --no-deps --no-compile \
    --break-system-packages --root-user-action=ignore --no-warn-script-location --quiet
}
pip install --find-links="$wheels" --require-hashes --root=/installed/packages --requirement="$wheels/requirements.lock"
pip install --root=/installed/serflab "$wheels"/serflab-*.whl

find /installed/packages \( -name tests -o -name test \) -type d -prune -exec rm -r {} +
find /installed/packages \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete
for tree in packages serflab; do
  python3 -m compileall -q --invalidation-mode unchecked-hash -s "/installed/$tree" "/installed/$tree"
done
