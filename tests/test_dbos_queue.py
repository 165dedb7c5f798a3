"""The queue: once, most urgent first, and taken over from the dead."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep, time

import pytest

ROOT = Path(__file__).parents[1]
Run = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    (tmp_path / "home").mkdir(exist_ok=True)

    def start(executor: str, *tasks: str) -> subprocess.Popen[bytes]:
        arguments = [database_url, str(tmp_path / "home"), executor, str(tmp_path / "notes"), *tasks]
        return subprocess.Popen([sys.executable, "-m", "tests.queue_process", *arguments], cwd=ROOT)

    return start


def notes(tmp_path: Path) -> list[str]:
    path = tmp_path / "notes"
    return path.read_text().splitlines() if path.exists() else []


def test_each_key_once_and_the_most_urgent_first(run: Run, tmp_path: Path) -> None:
    handed = [f"enqueue:s{n}:1:{priority}" for n, priority in enumerate([3, 3, 1, 2])]
    first = run("a", *handed, *handed, "until:4", "sleep:0.5", "status:s0:1", "status:none:1")
    assert first.wait(60) == 0
    assert run("a", *handed, "sleep:1").wait(60) == 0
    done = notes(tmp_path)
    assert sorted(done[:4]) == ["a s0 1", "a s1 1", "a s2 1", "a s3 1"]
    assert done.index("a s2 1") < done.index("a s1 1"), "priority 1 overtakes 3"
    assert done[4:] == ["s0 is done", "none is unknown"]


def test_what_fails_is_tried_again(run: Run, tmp_path: Path) -> None:
    assert run("a", "enqueue:twice:1:1", "until:2", "sleep:1.5", "status:twice:1").wait(60) == 0
    assert notes(tmp_path) == ["a twice 1", "a twice 1", "twice is done"]


def test_what_is_taken_back_is_not_done(run: Run, tmp_path: Path) -> None:
    process = run("dead", "enqueue:endless:1:1", "until:1", "enqueue:b:1:1", "cancel:b:1", "status:b:1", "sleep:60")
    until(lambda: len(notes(tmp_path)) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert notes(tmp_path) == ["dead endless 1", "b is done"]
    assert run("other", "sleep:1").wait(60) == 0
    assert len(notes(tmp_path)) == 2


def test_the_work_of_a_dead_process_is_taken_over(run: Run, tmp_path: Path) -> None:
    process = run("dead", "enqueue:endless:1:1", "sleep:60")
    until(lambda: notes(tmp_path) == ["dead endless 1"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run("alive", "sleep:1", "take:dead", "until:3", "sleep:1.5", "status:endless:1").wait(60) == 0
    assert notes(tmp_path) == ["dead endless 1", "took 1", "alive endless 1", "endless is done"]


def until(condition: Callable[[], bool]) -> None:
    end = time() + 60
    while not condition():
        assert time() < end, "waited too long"
        sleep(0.02)
