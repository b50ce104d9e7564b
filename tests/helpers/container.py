"""A container's surroundings by hand: own root, no network, read-only input, unprivileged user, no home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import atypica

SOURCE = Path(atypica.__file__).parents[1]
NOBODY = 65534
SETUP = """
set -e
root=$1 input=$2 output=$3 weights=$4; shift 4
mount -t tmpfs tmpfs "$root"
mkdir "$root/tmp"; mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"  # first, as the places may lie in it
for place in $PLACES; do mkdir -p "$root$place"; mount --bind "$place" "$root$place"; done
for name in bin lib lib64; do
  if [ -L /$name ]; then cp -P /$name "$root/"
  elif [ -d /$name ]; then mkdir "$root/$name"; mount --bind /$name "$root/$name"; fi
done
mkdir -p "$root/dev" "$root/proc" "$root/input" "$root/output" "$root/opt/ml/model"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$input" "$root/input"; mount -o remount,bind,ro "$root/input"
mount --bind "$output" "$root/output"
mount --bind "$weights" "$root/opt/ml/model"; mount -o remount,bind,ro "$root/opt/ml/model"
mount -o remount,ro "$root"
python3 -c '
import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # the loopback device, up
' || true
exec chroot "$root" setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups --no-new-privs --bounding-set=-all \\
  env -i PATH=/usr/bin:/bin PYTHONPATH="$SOURCE" PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 "$@"
"""


def impossible() -> str:
    """Why no such surroundings can be made here; "" if they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux, to make namespaces and to drop to another user"
    if missing := [tool for tool in ("unshare", "setpriv", "chroot", "mount") if not shutil.which(tool)]:
        return f"needs {', '.join(missing)}"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-c", "mount -t tmpfs tmpfs /mnt"],
        check=False,
        capture_output=True,
        text=True,
    )
    return f"namespaces are not allowed here: {tried.stderr.strip()}" if tried.returncode else ""


def run_inside(
    place: Path, source: Path, target: Path, weights: Path, *command: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with `command`, as user 65534, with /input, /output and /opt/ml/model as given."""
    root = place / "root"
    root.mkdir(exist_ok=True)
    target.mkdir(exist_ok=True)
    target.chmod(0o777)
    places = {Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), SOURCE}
    outer = {path for path in places if not any(path != other and path.is_relative_to(other) for other in places)}
    settings = {"PLACES": " ".join(map(str, sorted(outer))), "USER_ID": str(NOBODY), "SOURCE": str(SOURCE)}
    arguments = [str(root), str(source), str(target), str(weights), sys.executable, *command]
    return subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-c", SETUP, "sh", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **settings},
    )
