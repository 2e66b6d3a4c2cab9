#!/usr/bin/env python3
"""Tenantry beside others that issue tokens: the same work, the same core, in turn. Writes COMPARE.md and compare.svg.

Each server is pinned to one core and the load (oha) to another; only the one that is asked runs meanwhile. See README.md.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import signal
import statistics
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import report
from figures import Figures, Told, Turn
from glewlwyd import Glewlwyd
from on_node import BetterAuth, OidcProvider
from process import Failed, run
from servers import LOGIN, SERVER_CORE, WORKS, Request, Server
from tenantry import Tenantry

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OHA = "1.16.0"
LOAD_CORE = 1
RIVALS: dict[str, type[Server]] = {"oidc-provider": OidcProvider, "better-auth": BetterAuth, "glewlwyd": Glewlwyd}


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    seconds: float
    rounds: int
    warm_up: float
    starts: int
    rest: float

    def connections(self, work: str) -> int:
        """Logins are as many as keep a core busy and no account's queue of passwords full."""
        return 4 if work == LOGIN else 64


FULL = Plan(seconds=5, rounds=5, warm_up=5, starts=3, rest=5)
QUICK = Plan(seconds=2, rounds=1, warm_up=1, starts=1, rest=1)


def command(oha: Path, plan: Plan, seconds: float, work: str, request: Request) -> list[str]:
    """What puts the load on."""
    fixed = ["--no-tui", "--output-format", "json", "-w", "-z", f"{seconds:g}s", "-c", str(plan.connections(work))]
    return ["taskset", "-c", str(LOAD_CORE), str(oha), *fixed, *request.arguments()]


def load(server: Server, words: list[str], work: str) -> Turn:
    """Runs a load; an answer that is not 2xx, or none, is an error."""
    process = server.running()
    with process.awake():
        before, begun = process.cpu(), time.monotonic()
        told = json.loads(run(words))
        took = time.monotonic() - begun
        if why := process.gone():
            raise Failed(f"{server.name}, {work}: it {why}")
        used = process.cpu() - before
        most = process.resident("VmHWM")
    answers: dict[str, int] = told["statusCodeDistribution"]
    errors: dict[str, int] = told["errorDistribution"]
    good = sum(count for status, count in answers.items() if status.startswith("2"))
    if errors or good != sum(answers.values()) or good == 0:
        raise Failed(f"{server.name}, {work}: not all answers were 2xx: {answers}, {errors}; its log is {process.log}")
    process.forget_log()
    times = told["latencyPercentiles"]
    return Turn(
        rate=told["summary"]["requestsPerSec"],
        per_cpu=good / used,
        busy=used / took,
        p50=times["p50"] * 1000,
        p99=times["p99"] * 1000,
        resident=most,
    )


def get_oha(tools: Path, quick: bool) -> Path:
    """The load generator, built once; for a quick run any build will do."""
    root = tools / "oha"
    if quick and not (root / "bin" / "oha").exists():
        root = tools / "oha-quick"
    oha = root / "bin" / "oha"
    if not oha.exists() or run([str(oha), "--version"]).split()[-1] != OHA:
        say(f"builds oha {OHA}")
        run(["cargo", "install", "oha", "--version", OHA, "--locked", "--force", "--root", str(root), *(["--debug"] if quick else [])])
    return oha


def say(text: str) -> None:
    print(f"== {text}", file=sys.stderr, flush=True)


def prepare(server: Server, plan: Plan) -> Figures:
    """Configures a server, times its starts, and leaves it up but stopped."""
    say(f"{server.name} is configured and started")
    server.configure()
    starts = []
    for _ in range(plan.starts):
        server.stop()
        starts.append(server.start())
    time.sleep(plan.rest)
    process = server.running()
    idle = process.resident()
    process.send(signal.SIGSTOP)
    return Figures(
        name=server.name,
        about=server.about,
        version=server.version(),
        notes=server.notes,
        unlike=server.unlike,
        start=statistics.median(starts) * 1000,
        idle=idle,
        start_command=started(server),
    )


def compare(servers: list[Server], works: list[str], oha: Path, plan: Plan) -> list[Figures]:
    """Every work, in turn: each server once in every round, so that what the machine does meanwhile falls on all alike."""
    found = [prepare(server, plan) for server in servers]
    requests: dict[str, dict[str, Request]] = {}
    for server in servers:
        with server.running().awake():
            requests[server.name] = server.works()
    for work in works:
        say(work)
        able = [(server, figures) for server, figures in zip(servers, found, strict=True) if work in requests[server.name]]
        for server, figures in able:
            request = requests[server.name][work]
            load(server, command(oha, plan, plan.warm_up, work, request), work)
            figures.turns[work] = []
            figures.commands[work] = shown(command(oha, plan, plan.seconds, work, request), request.secrets)
        for nth in range(plan.rounds):
            # Another one begins each round, so that it is not always the same one that comes last.
            first = nth % len(able)
            for server, figures in able[first:] + able[:first]:
                words = command(oha, plan, plan.seconds, work, requests[server.name][work])
                figures.turns[work].append(load(server, words, work))
    return found


def shown(words: list[str], known: dict[str, str]) -> str:
    """A command as it is told: throw-away secrets by their names."""
    text = shlex.join(words)
    for secret, name in known.items():
        text = text.replace(secret, name)
    return text


def started(server: Server) -> str:
    """What starts a server."""
    settings = [f"{name}={value}" for name, value in server.environment().items()]
    return shown([*settings, "taskset", "-c", str(SERVER_CORE), *server.command()], {server.secret: "$SECRET"})


def serve(server: Server, oha: Path) -> None:
    """Leaves one server running and prints the loads, for whoever wants to look closer."""
    with ExitStack() as running:
        running.callback(server.stop)
        prepare(server, QUICK)
        server.running().send(signal.SIGCONT)
        for work, request in server.works().items():
            print(f"# {work}\n{shlex.join(command(oha, QUICK, FULL.seconds, work, request))}", flush=True)
        say(f"{server.name} is process {server.running().child.pid}; Ctrl-C ends it")
        with suppress(KeyboardInterrupt):
            signal.pause()


def machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024**2
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    system = release.get("PRETTY_NAME", platform.system()).strip('"')
    return f"{os.cpu_count()} cores of {model}; {memory:.0f} GiB; Linux {platform.release()}; {system}"


def commit() -> str:
    try:
        changed = run(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
        return run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]).strip() + (", with changes" if changed else "")
    except Failed:
        return "unknown"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "target/dist/tenantry", help="the tenantry to measure")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--out", type=Path, help="where COMPARE.md and compare.svg go (bench; what is quick or a part: --tools)")
    parser.add_argument("--tools", type=Path, default=ROOT / "target/compare", help="where packages and data are kept")
    parser.add_argument("--serve", choices=["Tenantry", *RIVALS], help="only starts this one, and prints the loads")
    parser.add_argument("--only", choices=WORKS, action="append", help="only this work")
    parser.add_argument("--without", choices=RIVALS, action="append", default=[], help="leaves a rival out")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    plan = QUICK if options.quick else FULL
    tools: Path = options.tools.resolve()
    # What is kept is of the whole.
    part = options.quick or options.only or options.without
    out: Path = options.out or (tools if part else HERE.parent)
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise Failed(f"it takes cores {SERVER_CORE} and {LOAD_CORE}: one for the servers, one for the load")
    tools.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    oha = get_oha(tools, options.quick)
    # Beside the packages, not in /tmp: that may be memory, where a commit costs nothing.
    data = tools / "data"
    shutil.rmtree(data, ignore_errors=True)
    wanted = [options.serve] if options.serve else ["Tenantry", *(name for name in RIVALS if name not in options.without)]
    program: Path = options.program.resolve()
    servers = [RIVALS[name](tools, data) if name in RIVALS else Tenantry(tools, data, program) for name in wanted]
    for server in servers:
        say(f"{server.name} is installed")
        server.install()
    # What measures stays on the core of the load.
    os.sched_setaffinity(0, {LOAD_CORE})
    if options.serve:
        serve(servers[0], oha)
        return
    with ExitStack() as running:
        for server in servers:
            running.callback(server.stop)
        found = compare(servers, options.only or list(WORKS), oha, plan)
    shutil.rmtree(data, ignore_errors=True)
    told = Told(
        figures=found,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=commit(),
        machine=machine(),
        oha=OHA,
        quick=options.quick,
        **asdict(plan),
        connections={work: plan.connections(work) for work in WORKS},
        server_core=SERVER_CORE,
        load_core=LOAD_CORE,
    )
    # Where this tree lies is nobody's business.
    text = report.markdown(told).replace(f"{ROOT}/", "").replace(f"{program.parent}/", "").replace(str(tools), "$TOOLS")
    (out / "COMPARE.md").write_text(text)
    (out / "compare.svg").write_text(report.chart(told))
    # One round says nothing about how fast anybody is.
    targets = [] if options.quick else report.targets(told)
    for line in targets:
        print(line)
    say(f"written: {out / 'COMPARE.md'}")
    if not part and any("**missed**" in line for line in targets):
        raise Failed("a target is missed")


def ended(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, ended)
    try:
        main()
    except Failed as error:
        sys.exit(f"compare: {error}")
    except (OSError, ValueError, LookupError) as error:
        sys.exit(f"compare: {type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit("compare: ended before it was through")
