"""What a run of scripts/fuzz found: prints it and fails where a target is missed. `figures.py of DATABASE` notes what is asked, as a run
begins; `figures.py keep` puts the last runs on RESULTS.md."""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
RUNS = pathlib.Path(os.environ.get("FUZZ_RUNS", "target/fuzz"))
PAGE = HERE / "RESULTS.md"
SECONDS = os.environ.get("FUZZ_SECONDS", "1")
DATABASES = ["SQLite", "PostgreSQL"]
TITLE = """\
# Results

`make fuzz-long` writes them, newest first: schemathesis on the served OpenAPI document, all checks and all phases, limits off.
"""


def read(database):
    """The run on a database: what schemathesis says, what the hooks counted, and what the server wrote."""
    report = json.loads((RUNS / f"{database}.report.json").read_text())
    return report, json.loads((RUNS / f"{database}.asked.json").read_text()), json.loads((RUNS / f"{database}.log.json").read_text())


def figures(database):
    report, asked, log = read(database)
    found = {f"{one['title']}: {', '.join(one['operations'])}" for one in report["failures"]} | {one["title"] for one in report["errors"]}
    return {
        "cases": report["test_cases"]["generated"],
        "answers": asked["answers"],
        "answers of 5xx": max(asked["server_errors"], log["server_errors"]),
        "panics": log["panics"],
        f"answers over {SECONDS} s": asked["late"],
        "slowest": f"{asked['slowest_ms']} ms",
        f"over {SECONDS} s on purpose (exports with a passphrase)": asked["late_on_purpose"],
        "answers that did what was asked, in a hundred": share(asked, "2", "3"),
        "answers of 401, in a hundred": share(asked, "401"),
        "operations that did what they were asked": f"{len(asked['statuses']) - len(refused(asked))} of {len(asked['statuses'])}",
        "made anew for those who ask": asked["ready"]["asked"],
        NOT_READY: round(100 * sum(asked["ready"]["refused"].values()) / asked["ready"]["asked"], 1),
        "answers not as the document says": sum(one["count"] for one in report["failures"]) + sum(one["count"] for one in report["errors"]),
        "seconds": round(report["running_time"]),
    }, sorted(found)


def share(asked, *beginnings):
    """How many of a hundred answers have such a status."""
    counts = [(status, count) for statuses in asked["statuses"].values() for status, count in statuses.items()]
    return round(100 * sum(count for status, count in counts if status.startswith(beginnings)) / max(1, asked["answers"]))


def refused(asked):
    """Operations that were only ever refused: most want somebody who signed in, or a code that was sent."""
    return sorted(name for name, statuses in asked["statuses"].items() if min(statuses) >= "400")


NOT_READY, MOST_NOT_READY = "of these refused, in a hundred", 5
NONE = ["answers of 5xx", "panics", f"answers over {SECONDS} s", "answers not as the document says"]


def told(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def machine():
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpu, re.M)
    changed = " and changes" if told("git", "status", "--porcelain", "--", ".", ":!*.md", ":!*.svg") else ""
    commit = told("git", "rev-parse", "--short", "HEAD")
    return f"Commit {commit}{changed}; {os.cpu_count()} cores of {model[1] if model else 'unknown'}; Linux {told('uname', '-r')}."


def of_run(database, log, result):
    """Says what the run found; 0 if all is as it must be."""
    text = pathlib.Path(log).read_text(errors="replace")
    bad = [line for line in text.splitlines() if re.search(r"panicked|\bstatus=5\d\d\b", line)]
    panics = sum("panicked" in line for line in bad)
    of = (RUNS / f"{database}.of").read_text()
    (RUNS / f"{database}.log.json").write_text(json.dumps({"server_errors": len(bad) - panics, "panics": panics, "of": of}))
    report = RUNS / f"{database}.report.json"
    if not (report.exists() and report.stat().st_size):
        print(f"{database}: ended early", *bad[:20], sep="\n")
        return 1
    known, _ = figures(database)
    print(f"{database}: " + "; ".join(f"{name}: {value}" for name, value in known.items()))
    print("\n".join(bad[:20]))
    return result or int(any(known[name] for name in NONE) or known[NOT_READY] > MOST_NOT_READY)


def keep(least):
    runs = {database: figures(database) for database in DATABASES}
    rows, all_hold = [], True
    for name in runs["SQLite"][0]:
        values = [run[0][name] for run in runs.values()]
        target, holds = "", ""
        if name in NONE:
            target, holds = "0", not any(values)
        elif name == "cases":
            target, holds = f">= {least} together", sum(values) >= least
        elif name == NOT_READY:
            target, holds = f"<= {MOST_NOT_READY}", max(values) <= MOST_NOT_READY
        all_hold &= holds is not False
        holds = {True: "yes", False: "**no**", "": ""}[holds]
        rows.append(f"| {name} | {' | '.join(map(str, values))} | {target} | {holds} |\n")
    found = "".join(f"\n- {database}: {one}" for database, run in runs.items() for one in run[1])
    found = f"\nNot as the document says:\n{found}\n" if found else ""
    never = set.intersection(*(set(refused(read(database)[1])) for database in DATABASES))
    found += "\nOnly ever refused, on both: " + ", ".join(f"`{name}`" for name in sorted(never)) + ".\n" if never else ""
    when = datetime.datetime.now(datetime.UTC).strftime("%F %H:%M UTC")
    commits = {log["of"] for _, _, log in map(read, DATABASES)}
    head = "| figure | SQLite | PostgreSQL | target | holds |\n|---|---|---|---|---|\n"
    old = PAGE.read_text() if PAGE.exists() else ""
    earlier = old[at:] if (at := old.find("\n## ")) >= 0 else ""
    PAGE.write_text(f"{TITLE}\n## {when}\n\n{' '.join(sorted(commits))}\n\n{head}{''.join(rows)}{found}{earlier}")
    return all_hold


if sys.argv[1] == "of":
    (RUNS / f"{sys.argv[2]}.of").write_text(machine())
elif sys.argv[1:] == ["keep"]:
    sys.exit(0 if keep(70_000) else "A target is missed: tests/fuzz/RESULTS.md")
else:
    sys.exit(of_run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
