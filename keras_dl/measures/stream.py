"""Whether the answers in service still look like those on validation: an alarm that may be watched all the time.

A p value is for one look; a server is looked at after every request. So the evidence is an e-process: it says how much
likelier the answers are under "another distribution" than under "that of validation". Without drift it ever exceeds
1 / a with a chance of at most a, however often one looks (Ville 1939; Ramdas et al. 2023).

- **Bins.** An answer counts in one of about ten bins of equal share on validation. These shares are known from few
  examples only: the shares between order statistics have a Dirichlet distribution, whatever the answers' distribution
  is (Wilks 1962). So "that of validation" is a Dirichlet-multinomial distribution, with one witness for each *group*
  of validation; "another distribution" is a mixture of two that know less.
- **Starts.** A drift after a long good time must not drown in it. So a new e-process starts with every START-th
  answer and lives for LIFE answers. Each may give a false alarm with a chance of START / PER. Expectations add up,
  however the processes hang together: on average there is at most one false alarm in PER answers.
- **Size.** What is certain may still be harmless: an alarm also needs a population stability index of at least LEAST.

It is assumed that without drift answers come one by one from one distribution. What a client sends in a burst is alike
and breaks this; `server.drift` says what counts as one answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BINS = 10  # of equal share on validation
START = 100  # answers from one start to the next
LIFE = 1000  # answers that a start lives for
PER = 100_000  # answers with one false alarm among them, on average, at most
LEAST, LARGE = 0.1, 0.25  # population stability indices: less is no shift, more is a large one, by an old convention
MARKED = 1.0  # unusualness above which an input is marked
LOOK = 10  # answers from one look to the next; looking costs time, not truth
SPREADS = (1.0, 5.0)  # of "another distribution": how many answers a bin of equal share is worth in it


@dataclass(frozen=True)
class Bins:
    """Where a number lay on validation.

    Args:
        edges: `[bins - 1]`, rising; a bin holds its upper edge.
        counts: `[bins]`, of the examples of validation.
        groups: of how many groups these examples are.
    """

    edges: np.ndarray
    counts: np.ndarray
    groups: int

    @classmethod
    def of(cls, values: np.ndarray, groups: int, limit: float | None = None) -> Bins:
        """Make bins of equal share of values `[count]`; a `limit` that has a meaning is one more edge."""
        values = np.asarray(values, dtype=np.float32)
        edges = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
        edges = np.unique(edges[edges < values.max()])  # what many examples share makes one bin
        edges = edges if limit is None else np.unique(np.append(edges, np.float32(limit)))
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        return cls(edges, counts, groups)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Bins:
        """Read what `to_json` gave."""
        return cls(np.asarray(value["edges"], dtype=np.float32), np.asarray(value["counts"]), int(value["groups"]))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"edges": self.edges.astype(float).tolist(), "counts": self.counts.tolist(), "groups": self.groups}

    def counted(self, values: np.ndarray) -> np.ndarray:
        """Count values `[count]` in the bins."""
        return np.bincount(np.searchsorted(self.edges, np.asarray(values, np.float32)), minlength=len(self.counts))

    def above(self, limit: float) -> int:
        """Return the first bin above a limit that is an edge."""
        return int(np.searchsorted(self.edges, np.float32(limit), side="right"))

    @property
    def witnesses(self) -> np.ndarray:
        """What the share of each bin is known from, `[bins]`: the examples of a group are one witness together."""
        return self.counts * (self.groups / self.counts.sum()) + 1 / len(self.counts)

    def shift(self, counts: np.ndarray) -> float:
        """Return the population stability index of counts `[bins]`, less what chance alone gives on average."""
        same = self.witnesses / self.witnesses.sum()
        new = (counts + 0.5 * len(same) * same) / (counts.sum() + 0.5 * len(same))
        chance = (len(same) - 1) * (1 / max(counts.sum(), 1) + 1 / self.groups)
        return float(np.sum((new - same) * np.log(new / same)) - chance)


class Evidence:
    """The evidence of counts in bins against "as on validation"."""

    def __init__(self, bins: Bins) -> None:
        same = bins.witnesses
        others = [spread * len(same) * same / same.sum() for spread in SPREADS]
        self.shapes = np.stack([same, *others])[:, None]  # [1 + spreads, 1, bins]
        self.nothing = self.log_chance(np.zeros((1, len(same))))

    def log_chance(self, counts: np.ndarray) -> np.ndarray:
        """Return, but for a constant, the log probability of each window's counts: `[1 + spreads, windows]`."""
        from scipy.special import gammaln

        known = self.shapes + counts
        return gammaln(known).sum(axis=-1) - gammaln(known.sum(axis=-1))

    def of(self, counts: np.ndarray) -> np.ndarray:
        """Return the e value of each window, of its counts `[windows, bins]`."""
        same, *others = self.log_chance(counts) - self.nothing
        return np.exp(np.minimum(np.stack(others) - same, 500)).mean(axis=0)


@dataclass
class Start:
    """Where an e-process started, and what it has seen."""

    at: int  # answers before
    counts: dict[str, np.ndarray]  # of these, by the number that is watched
    value: float = 1.0  # its e value at the last look
    alarmed: bool = False


@dataclass
class Stream:
    """The answers of one version so far, in bins, and the alarm.

    `alarm` is None, or what was seen first: `{"name": what moved most, "since": answers before the start that saw it,
    "seen": answers when it did, "shift": the index}`. It ends when all starts that saw something have gone.

    Args:
        bins: of each number that is watched, by its name.
        per: answers with one false alarm among them, on average, at most.
    """

    bins: Mapping[str, Bins]
    per: float = PER
    counts: dict[str, np.ndarray] = field(init=False)
    total: int = field(default=0, init=False)
    alarm: dict[str, Any] | None = field(default=None, init=False)
    alarms: int = field(default=0, init=False)
    starts: list[Start] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Start."""
        self.evidence = {name: Evidence(one) for name, one in self.bins.items()}
        self.counts = {name: np.zeros(len(one.counts), dtype=int) for name, one in self.bins.items()}
        within = [needed(one, LARGE, len(self.bins)) for one in self.bins.values()]
        self.sees = None if None in within else max(filter(None, within))
        self.start()

    def start(self) -> None:
        """Let the old starts go, and begin one more."""
        self.starts = [one for one in self.starts if self.total - one.at < LIFE]
        self.starts.append(Start(self.total, {name: counts.copy() for name, counts in self.counts.items()}))

    def add(self, values: Mapping[str, np.ndarray]) -> None:
        """Count answers, in order: of each number that is watched its values, `[count]`."""
        count, done = len(next(iter(values.values()))), 0
        while done < count:
            step = min(count - done, LOOK - self.total % LOOK)
            for name, bins in self.bins.items():
                self.counts[name] = self.counts[name] + bins.counted(values[name][done : done + step])
            self.total, done = self.total + step, done + step
            if self.total % LOOK == 0:
                self.look()
            if self.total % START == 0:
                self.start()

    def state(self) -> dict[str, Any]:
        """Return JSON values from which `restore` goes on."""
        starts = [{**vars(one), "counts": listed(one.counts)} for one in self.starts]
        plain = {"total": self.total, "alarm": self.alarm, "alarms": self.alarms}
        return {"counts": listed(self.counts), **plain, "starts": starts}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another stream of the same bins was."""
        self.total, self.alarm, self.alarms = state["total"], state["alarm"], state["alarms"]
        self.counts = arrays(state["counts"])
        self.starts = [Start(**{**one, "counts": arrays(one["counts"])}) for one in state["starts"]]

    def look(self) -> None:
        """Weigh the evidence of every start: the mean of the e values of its numbers, which is an e value again."""
        windows = {name: np.stack([now - one.counts[name] for one in self.starts]) for name, now in self.counts.items()}
        evidence = np.mean([self.evidence[name].of(counts) for name, counts in windows.items()], axis=0)
        for start, value in zip(self.starts, evidence.tolist(), strict=True):
            start.value = value
            if value >= self.per / START:
                moved = self.moved(start)
                start.alarmed |= max(moved.values()) >= LEAST
        alarmed = [one for one in self.starts if one.alarmed]
        if alarmed and self.alarm is None:
            self.alarms += 1
            moved = self.moved(alarmed[-1])
            name = max(moved, key=lambda one: moved[one])
            facts = {"since": alarmed[-1].at, "seen": self.total, "shift": round(moved[name], 4)}
            self.alarm = {"name": name, **facts}
        elif not alarmed:
            self.alarm = None

    def moved(self, start: Start) -> dict[str, float]:
        """Return how far each number has moved since a start, as `Bins.shift` measures it."""
        return {name: bins.shift(self.counts[name] - start.counts[name]) for name, bins in self.bins.items()}

    @property
    def evidence_now(self) -> float:
        """Return the largest e value of a start, at the last look; the limit is `per` / START."""
        return max(one.value for one in self.starts)

    def recent(self) -> dict[str, float]:
        """Return how far each number has moved in the last LIFE answers or fewer."""
        return self.moved(self.starts[0])

    def seen(self) -> dict[str, Any]:
        """Return what was seen, as JSON values.

        Returns:
            "answers", how many were counted; "unusual", how many of them were marked; "recent", the answers since the
            oldest start, and "shift", how far each number has moved in them; "evidence" and "limit", the largest e
            value and that from which there is an alarm; "alarm", what was seen first, or None; "alarms", how many
            there were; "sees", within about how many answers a shift of LARGE is seen, or None.
        """
        return {
            "answers": self.total,
            "unusual": int(self.counts["unusualness"][self.bins["unusualness"].above(MARKED) :].sum()),
            "recent": self.total - self.starts[0].at,
            "shift": {name: round(value, 4) for name, value in self.recent().items()},
            "evidence": float(f"{self.evidence_now:.4g}"),
            "limit": self.per / START,
            "alarm": self.alarm,
            "alarms": self.alarms,
            "sees": self.sees,
        }


def listed(counts: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
    """Return counts as JSON values."""
    return {name: one.tolist() for name, one in counts.items()}


def arrays(counts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what `listed` was given."""
    return {name: np.asarray(one, dtype=int) for name, one in counts.items()}


def needed(bins: Bins, shift: float, watched: int = 2) -> int | None:
    """Return about how many answers show a shift of one number, from the first shifted one to the alarm.

    The median in simulations is near it. It is where the expected counts of a shift from one end of the bins to the
    other reach the limit, and half a START, since a start is seldom just there. None: validation is too small for it,
    whatever comes.

    Args:
        bins: of the number that moves.
        shift: the population stability index.
        watched: how many numbers are watched; the others stay.
    """
    same = bins.witnesses / bins.witnesses.sum()
    slope = np.linspace(-1, 1, len(same))

    def tilted(strength: float) -> np.ndarray:
        new = same * np.exp(strength * slope)
        return new / new.sum()

    strengths = np.linspace(0, 10, 1001)
    indices = [np.sum((tilted(one) - same) * np.log(tilted(one) / same)) for one in strengths]
    new = tilted(strengths[min(int(np.searchsorted(indices, shift)), len(strengths) - 1)])
    counts = np.arange(LOOK, LIFE + 1, LOOK)
    enough = Evidence(bins).of(counts[:, None] * new) / watched >= PER / START
    return int(counts[enough.argmax()]) + START // 2 if enough.any() else None
