"""The whole application as people run it, in a process of its own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from pathlib import Path
from triage.settings import load_settings
from triage.web.serve import OPTIONS, make_app, theme_options
home, port, worker = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "worker"
app = make_app(load_settings(home=home), worker=worker)
build = app._build_starlette_app
def telling():
    built = build()
    print(json.dumps([getattr(route, "path", "") for route in built.routes]), flush=True)
    return built
app._build_starlette_app = telling
app.run(config=OPTIONS | theme_options() | {"server.address": "127.0.0.1", "server.port": port})
"""


@dataclass(frozen=True)
class Served:
    """A running page."""

    home: Path
    port: int
    token: str
    routes: list[str]
    process: "subprocess.Popen[str]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def entry(self) -> str:
        return f"{self.url}/?token={self.token}"


@contextmanager
def served(
    home: Path,
    *,
    worker: bool = False,
    bundles: Path | None = None,
    port: int | None = None,
    database_url: str | None = None,
) -> Iterator[Served]:
    """Started with that home, and ended as Ctrl-C would."""
    port = port or free_port()
    arguments = [sys.executable, "-c", PROGRAM, str(home), str(port), "worker" if worker else "alone"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    if bundles is not None:
        environment["TRIAGE_BUNDLES"] = str(bundles)
    if database_url is not None:
        environment["TRIAGE_DATABASE_URL"] = database_url
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=home.parent, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            routes = json.loads(process.stdout.readline())
            line = process.stdout.readline()
            assert line.startswith("Triage is at http://127.0.0.1:"), line
            yield Served(home, port, line.rpartition("token=")[2].strip(), routes, process)
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
