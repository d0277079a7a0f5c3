"""A `go` for tests: a shell script that mimics `go env`, `go list -deps` and `go install`.

`go install` prints three packages and writes, for each package that it is given, a program into $GOBIN. It can be told
to fail, or to hang after it has written half a program. Every call is noted with its environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
#!/bin/sh
PATH=/usr/bin:/bin
home=$(dirname "$0")/..
echo "CGO_ENABLED=$CGO_ENABLED GOTOOLCHAIN=$GOTOOLCHAIN $*" >>"$home/calls"
mode=$(cat "$home/mode")
case $1 in
env) echo go1.99.0 ;;
list) printf 'a\\nb\\nc\\nd\\n' ;;
install)
  echo "go: downloading something v1.0.0" >&2
  echo a && echo b && echo c
  case $mode in
  fail) echo "disk quota exceeded" >&2; exit 1 ;;
  hang) printf 'half' >"$GOBIN/kwok"; echo $$ >"$home/hanging"; exec sleep 1000 ;;
  esac
  for argument; do
    case $argument in
    */*/*)
      name=$(basename "$argument")
      [ "$name" = v3 ] && name=server
      printf '#!/bin/sh\\necho built\\n' >"$GOBIN/$name" && chmod +x "$GOBIN/$name" ;;
    esac
  done ;;
esac
"""


@dataclass
class FakeGo:
    """The script below `home`, on a PATH of its own."""

    home: Path

    def __post_init__(self):
        (self.home / "bin").mkdir(parents=True)
        (self.home / "bin" / "go").write_text(SCRIPT)
        (self.home / "bin" / "go").chmod(0o755)
        (self.home / "calls").write_text("")
        self.behave("")

    @property
    def path(self):
        return str(self.home / "bin")

    @property
    def hanging(self):
        """Return the process of a `go install` that hangs, 0 while there is none."""
        file = self.home / "hanging"
        text = file.read_text() if file.exists() else ""
        return int(text) if text.endswith("\n") else 0

    def behave(self, mode):
        """Be told to `fail` or to `hang`, or to do well."""
        (self.home / "mode").write_text(mode)

    def installs(self):
        """Return the calls of `go install`."""
        return [line for line in (self.home / "calls").read_text().splitlines() if " install " in line]
