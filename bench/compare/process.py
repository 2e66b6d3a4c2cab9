"""Processes under measurement: started on one core, counted from /proc, and always ended by their own id."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """What went wrong, in one line."""


def run(command: list[str], directory: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Runs a command to its end and yields what it printed; what it said is the error if it failed."""
    try:
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Failed(f"{error.filename} is not here; install it") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Failed(f"`{' '.join(command[:4])}` ended with {done.returncode}: {last}")
    return done.stdout


class Process:
    """A server and whatever it starts."""

    def __init__(self, command: list[str], environment: dict[str, str], directory: Path, log: Path, core: int):
        self.log = log
        self.written: IO[bytes] = log.open("ab")
        self.begun = time.monotonic()
        self.child = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.written,
            stderr=self.written,
        )

    def all(self) -> list[int]:
        """Its id and those of its descendants."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except (OSError, IndexError):
                    continue
                children.setdefault(parent, []).append(int(entry.name))
        found = [self.child.pid]
        for pid in found:
            found.extend(children.get(pid, []))
        return found

    def cpu(self) -> float:
        """Seconds of a core used so far, in user and in kernel mode."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.all()]
        return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS

    def resident(self, which: str = "VmRSS") -> float:
        """MiB resident now; as `VmHWM`, the most that were since it began."""
        lines = [line for pid in self.all() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith(f"{which}:")) / 1024

    def gone(self) -> str | None:
        """Why it does not run any more."""
        if self.child.poll() is None:
            return None
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"ended with {self.child.returncode}: {lines[-1] if lines else 'it said nothing'}"

    def forget_log(self) -> None:
        """Empties its log: a load writes a line for each request."""
        os.truncate(self.log, 0)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """It runs within; before and after it is stopped, so that it takes nothing from whoever is measured then."""
        self.send(signal.SIGCONT)
        try:
            yield
        finally:
            self.send(signal.SIGSTOP)

    def send(self, kind: signal.Signals) -> None:
        """Sends a signal to all of it, if it still runs."""
        if self.child.poll() is None:
            for pid in self.all():
                os.kill(pid, kind)

    def end(self) -> None:
        """Ends it: politely first."""
        if self.child.poll() is None:
            self.send(signal.SIGCONT)
            self.child.terminate()
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.written.close()
