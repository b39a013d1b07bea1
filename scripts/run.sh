#!/usr/bin/env bash
# Opens the window on a folder. Where there is no display, shows in the terminal
# what the window would show: a target runs, and its record stays.
set -euo pipefail
cd "$(dirname "$0")/.."

project=${1:-}
project=${project/#\~\//$HOME/} # a shell leaves it in PROJECT=~/app
if [ "$(uname -s)" != Linux ] || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
	exec build/bin/vm-orchestrator ${project:+"$project"}
fi

step() {
	printf '\n$ %s\n' "$*"
	"$@"
}

echo "There is no display (DISPLAY and WAYLAND_DISPLAY are empty), so here is the sample in the terminal."
step bin/vmo targets -C build/sample
step bin/vmo run -C build/sample hello NAME="$(id -un)"
step bin/vmo jobs --limit 3
step bin/vmo show @1 --timestamps
cat <<'END'

The record is on the disk, and the window shows the same one. To see the window:
  make dev     here, with its page in a browser at the address that it prints
               (from another machine: ssh -L 34115:127.0.0.1:34115 this-machine)
  make run     in a session with a display
END
