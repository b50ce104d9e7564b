"""A PostgreSQL server for as long as it is asked for, on a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVER = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty database; skips where there is no server or driver."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    initdb = Path(found) if (found := shutil.which("initdb")) else next(reversed(SERVER), None)
    if initdb is None:
        pytest.skip("no PostgreSQL server: there is no initdb")
    # Not below pytest's own folders, which another user may not enter.
    home = Path(tempfile.mkdtemp(prefix="atypica-"))
    as_nobody = _as_nobody(home)

    def run(*command: object) -> None:
        subprocess.run([*as_nobody, *map(str, command)], check=True, capture_output=True, cwd="/")

    run(initdb, "-D", home / "data", "-U", "reader", "-A", "trust", "--no-sync", "-E", "UTF8")
    settings = f"-c listen_addresses='' -k {home} -c fsync=off"
    control = initdb.with_name("pg_ctl")
    run(control, "-D", home / "data", "-w", "-l", home / "log", "-o", settings, "start")
    try:
        yield f"postgresql://reader@/postgres?host={home}"
    finally:
        run(control, "-D", home / "data", "-m", "immediate", "stop")
        shutil.rmtree(home)


def _as_nobody(home: Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root cannot start PostgreSQL, and there is no setpriv")
    os.chown(home, 65534, 65534)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
