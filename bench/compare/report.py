"""The report: COMPARE.md, its targets, and a chart of the ratios."""

import math
from html import escape

from figures import Figures, Told
from servers import INTROSPECT, JWKS, TOKEN, WORKS

# The most memory under load, in MiB.
MEMORY = 60.0
# Tokens a second of Rauthy's on one core, as they were measured once on this kind of machine: no package of it can be installed here.
RAUTHY = 1553
HEAD = "| server | requests/s | a CPU-second | core used | p50 | p99 | a CPU-second, ratio | p50, ratio | p99, ratio |"
COLOURS = ("#2f6fde", "#c77700", "#7a4fbf", "#2c8a57")


def targets(told: Told) -> list[str]:
    """What must hold, a line each."""
    lines = []

    def target(what: str, value: float, good: bool, detail: str) -> None:
        lines.append(f"| {what} | {value:.2f} | {'met' if good else '**missed**'} | {detail} |")

    ours = told.ours()
    node = next((rival for rival in told.rivals() if rival.name == "oidc-provider"), None)
    for work, least in ((TOKEN, 4), (INTROSPECT, 3)):
        if node and (ratio := told.ratio(node, work)):
            detail = f"{ours.typical(work).per_cpu:,.0f} and {node.typical(work).per_cpu:,.0f}"
            what = f"{work}: requests a CPU-second / oidc-provider's, at least {least}"
            target(what, ratio.value, ratio.value >= least, detail)
    if TOKEN in ours.turns:
        tokens = ours.typical(TOKEN).per_cpu
        what = f"{TOKEN}: requests a CPU-second / Rauthy's, which this command does not run, at least 6"
        detail = f"{tokens:,.0f} and {RAUTHY:,} a second on one core, measured once on this kind of machine"
        target(what, tokens / RAUTHY, tokens / RAUTHY >= 6, detail)
    if able := [rival for rival in told.rivals() if JWKS in rival.turns]:
        best = max(able, key=lambda rival: rival.typical(JWKS).per_cpu)
        if ratio := told.ratio(best, JWKS):
            detail = f"{best.name}: {ours.typical(JWKS).per_cpu:,.0f} and {best.typical(JWKS).per_cpu:,.0f}"
            target(f"{JWKS}: requests a CPU-second / the best rival's, at least 2", ratio.value, ratio.value >= 2, detail)
    if node:
        share = ours.loaded() / node.loaded()
        detail = f"{ours.loaded():.1f} and {node.loaded():.1f} MiB"
        target("memory under load / oidc-provider's, below 1", share, share < 1, detail)
    target(f"memory under load, MiB, below {MEMORY:.0f}", ours.loaded(), ours.loaded() < MEMORY, "the most in any load")
    return lines


def markdown(told: Told) -> str:
    """COMPARE.md."""
    lines = [
        "# Tenantry beside others",
        "",
        f"{told.date}. Commit {told.commit}. {told.machine}.",
        "",
    ]
    if told.quick:
        lines += ["**A quick run: it shows that the comparison works; its figures are not to be quoted.**", ""]
    lines += [
        f"Made by `make compare` ([how](compare/README.md)); do not edit. Each server has core {told.server_core} for itself "
        f"while it is asked, the load (oha {told.oha}) has core {told.load_core}; they take turns, "
        f"{told.rounds} x {told.seconds:g} s each after {told.warm_up:g} s to warm up, and medians are told. "
        "An answer that is not 2xx ends the comparison.",
        "",
        "| server | version | from |",
        "|---|---|---|",
        *(f"| {one.name} | {one.version} | {one.about} |" for one in told.figures),
        "",
        "![ratios](compare.svg)",
        "",
        "## Targets",
        "",
        "| target | value | | detail |",
        "|---|---|---|---|",
        *targets(told),
        "",
        "## Work",
        "",
        "A CPU-second is one of the server's own, user and system, of all its processes. Ratios say how many times better "
        "Tenantry is: the median of the rounds, with the least and the most; below 1 the other one is better.",
    ]
    for work in told.works():
        lines += ["", f"### {work[0].upper()}{work[1:]}", "", f"{WORKS[work]}. {told.connections[work]} connections.", ""]
        lines += [HEAD, "|---|---|---|---|---|---|---|---|---|", *(row(told, one, work) for one in told.figures)]
    lines += ["", "## Memory and start", "", "| server | idle | under load | ready |", "|---|---|---|---|"]
    lines += [f"| {one.name} | {one.idle:.1f} MiB | {one.loaded():.1f} MiB | {one.start:.0f} ms |" for one in told.figures]
    lines += ["", *commands(told), "", "## How fair it is", ""]
    for one in told.figures:
        lines += [f"**{one.name}**", "", *(f"- {note}" for note in one.notes), ""]
    lines += ["What else was tried: [compare/README.md](compare/README.md#what-was-tried)."]
    return "\n".join(lines) + "\n"


def row(told: Told, one: Figures, work: str) -> str:
    if work not in one.turns:
        return f"| {one.name} | cannot | | | | | | | |"
    turn = one.typical(work)
    cells = [one.name, f"{turn.rate:,.0f}", f"{turn.per_cpu:,.0f}", f"{turn.busy:.0%}"]
    cells += [f"{turn.p50:.2f} ms", f"{turn.p99:.2f} ms"]
    if one is told.ours():
        return f"| {' | '.join(cells)} | | | |"
    for of in ("per_cpu", "p50", "p99"):
        ratio = told.ratio(one, work, of)
        among = f" ({ratio.least:.2f} to {ratio.most:.2f})" if ratio and told.rounds > 1 else ""
        cells.append(f"{ratio.value:.2f}{among}" if ratio else "another cost")
    return f"| {' | '.join(cells)} |"


def commands(told: Told) -> list[str]:
    """What every figure was made with."""
    lines = [
        "## Commands",
        "",
        "`$BASIC`, `$TOKEN` and the like stand for credentials that were made for this run; "
        "`bench/compare/compare.py --serve NAME` starts one server, configured, and prints the commands with "
        "credentials that work.",
        "",
        "- CPU-seconds: fields 14 and 15 of `/proc/PID/stat`, after less before, over `getconf CLK_TCK`.",
        f"- Memory, of `/proc/PID/status`: idle `VmRSS`, {told.rest:g} s after the start; under load `VmHWM`, the most there was.",
        f"- Ready: from the start of the process until the address of its keys answers 200, asked every 2 ms; the median of "
        f"{told.starts}, on data that is there already.",
    ]
    for one in told.figures:
        lines += ["", f"{one.name}:", "", "```sh", one.start_command]
        lines += [line for work in one.commands for line in (f"# {work}", one.commands[work])]
        lines += ["```"]
    return lines


def times(value: float) -> str:
    return f"{value:.0f}x" if value >= 10 else f"{value:.1f}x" if value >= 2 else f"{value:.2f}x"


def chart(told: Told) -> str:
    """The ratios as bars from 1, on a scale of powers, on a ground of its own: it reads on a light page and on a dark one."""
    groups: list[tuple[str, list[tuple[int, float]]]] = []

    ours, rivals = told.ours(), told.rivals()
    for of, name in (("per_cpu", "a CPU-second"), ("p99", "p99")):
        for work in told.works():
            if of == "p99" and work not in (TOKEN, INTROSPECT, JWKS):
                continue
            ratios = [(place, told.ratio(rival, work, of)) for place, rival in enumerate(rivals)]
            groups.append((f"{work}, {name}", [(place, ratio.value) for place, ratio in ratios if ratio]))
    groups.append(("memory, idle", [(place, rival.idle / ours.idle) for place, rival in enumerate(rivals)]))
    groups.append(("memory, under load", [(place, rival.loaded() / ours.loaded()) for place, rival in enumerate(rivals)]))
    groups.append(("start", [(place, rival.start / ours.start) for place, rival in enumerate(rivals)]))
    groups = [(name, bars) for name, bars in groups if bars]

    values = [value for _, bars in groups for _, value in bars]
    low, high = min(0.5, *values), max(2.0, *values)
    left, right, top, thick, gap = 210, 610, 66, 14, 12
    span = math.log(high / low)

    def at(value: float) -> float:
        return left + (right - left) * math.log(value / low) / span

    bottom = top + sum(len(bars) * thick + gap for _, bars in groups)
    width, height = 700, bottom + 30
    title = f"Tenantry beside others: above 1x it is as many times better ({told.date[:10]}, {told.commit})"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff" stroke="#c9d1d9"/>',
        f'<text x="16" y="24" font-size="14" fill="#1f2933">{escape(title)}</text>',
    ]
    x = 16.0
    for place, rival in enumerate(told.rivals()):
        parts.append(f'<rect x="{x}" y="37" width="12" height="12" fill="{COLOURS[place]}"/>')
        parts.append(f'<text x="{x + 17}" y="47" fill="#1f2933">{escape(f"against {rival.name}")}</text>')
        x += 90 + 7 * len(rival.name)
    for tick in (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500):
        if low <= tick <= high:
            line = "#1f2933" if tick == 1 else "#d9dee3"
            parts.append(f'<line x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{top - 8}" y2="{bottom}" stroke="{line}"/>')
            parts.append(f'<text x="{at(tick):.1f}" y="{bottom + 16}" text-anchor="middle" fill="#52606d">{tick:g}x</text>')
    y = top
    for name, bars in groups:
        middle = y + len(bars) * thick / 2 + 4
        parts.append(f'<text x="{left - 10}" y="{middle:.1f}" text-anchor="end" fill="#1f2933">{escape(name)}</text>')
        for place, value in bars:
            begin, end = sorted((at(1), at(value)))
            parts.append(
                f'<rect x="{begin:.1f}" y="{y}" width="{end - begin:.1f}" height="{thick - 2}" fill="{COLOURS[place]}"/>'
            )
            parts.append(f'<text x="{end + 5:.1f}" y="{y + thick - 4}" font-size="11" fill="#1f2933">{times(value)}</text>')
            y += thick
        y += gap
    parts += ["</svg>"]
    return "\n".join(parts) + "\n"
