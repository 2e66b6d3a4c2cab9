"""What was measured, and the ratios that are made of it."""

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Turn:
    """What one run of a load showed: answers a second and a CPU-second, the share of the core, times in ms, MiB."""

    rate: float
    per_cpu: float
    busy: float
    p50: float
    p99: float
    resident: float


@dataclass(frozen=True)
class Ratio:
    """How often as good Tenantry is; above 1 is better."""

    value: float
    least: float
    most: float


@dataclass
class Figures:
    """All that was measured of one server."""

    name: str
    about: str
    version: str
    notes: tuple[str, ...]
    # Works whose cost is another one: their figures are told, and no ratio.
    unlike: frozenset[str]
    # ms until it answers, MiB that it then has.
    start: float
    idle: float
    start_command: str
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)

    def loaded(self) -> float:
        """The most MiB under any load."""
        return max(turn.resident for turns in self.turns.values() for turn in turns)

    def typical(self, work: str) -> Turn:
        """The median of its turns, each figure by itself."""
        turns = self.turns[work]
        names = ("rate", "per_cpu", "busy", "p50", "p99")
        medians = {name: statistics.median(getattr(turn, name) for turn in turns) for name in names}
        return Turn(**medians, resident=max(turn.resident for turn in turns))


@dataclass(frozen=True)
class Told:
    """What a report is made of; the first of `figures` is Tenantry."""

    figures: list[Figures]
    date: str
    commit: str
    machine: str
    oha: str
    quick: bool
    seconds: float
    rounds: int
    warm_up: float
    starts: int
    rest: float
    connections: dict[str, int]
    server_core: int
    load_core: int

    def ours(self) -> Figures:
        return self.figures[0]

    def rivals(self) -> list[Figures]:
        return self.figures[1:]

    def works(self) -> list[str]:
        """Those that were measured."""
        return list(self.ours().turns)

    def ratio(self, rival: Figures, work: str, of: str = "per_cpu") -> Ratio | None:
        """The median over the rounds, each turn against the other one's of the same round; None where there is none."""
        if work not in rival.turns or work in rival.unlike:
            return None
        pairs = zip(self.ours().turns[work], rival.turns[work], strict=True)
        values = [getattr(our, of) / getattr(their, of) for our, their in pairs]
        if of in ("p50", "p99"):
            values = [1 / value for value in values]
        return Ratio(statistics.median(values), min(values), max(values))
