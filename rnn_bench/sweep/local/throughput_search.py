"""Finds how many runs a GPU trains at once, by measuring how fast they train together."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

GROWTH = 1.05  # of the throughput, at least, by which more runs at once pay
SECONDS = 10.0  # of training that are measured with a number of runs at once, for each of them
LONG = 60.0  # seconds of an epoch that are measured as a part of their own
MOST_RUNS = 3  # that are waited for where that much cannot be measured, for each run at once


@dataclass(frozen=True)
class Pace:
    """How far a run has come that trains: whole epochs, and tokens trained on.

    Runs of a `kind` take equal time for a token. `memory` is how many times the GPU memory that it
    was estimated to need the run was measured to need; 0 if that is not known yet.
    """

    run: str
    kind: str
    epoch: int
    tokens: float
    memory: float = 0.0


class ThroughputSearch:
    """Doubles the number of runs that a GPU trains at once (`slots`), from 1 on, as long as that
    lets them train at least 5 % faster together.

    Throughputs are compared between runs of a kind alone, since cells and corpora differ in the
    time that they take for a token. Where no run is like one of before, nothing speaks against
    more. Once the number is chosen (`is_over`), the search goes on from it when all runs are of
    kinds that it did not see: another cell may leave more of the GPU idle. It also goes on where
    the number was all that fitted, and runs are measured to need less memory.

    `limit` is the most runs at once, whatever their memory, and `fitting` how many fit into the
    GPU's memory by the estimate.
    """

    def __init__(self, limit: int, fitting: float) -> None:
        self.slots, self.is_over = 1, False
        self._limit, self._fitting, self._memory = limit, fitting, 0.0
        self._before: tuple[int, dict[str, float]] = (0, {})  # the last number, its throughputs
        self._pays = False  # so far: with the last number, all that it may be, throughput grew
        self._kinds: set[str] = set()  # that the number was chosen for
        self._measurement = Measurement(0.5)

    @property
    def most(self) -> int:
        """How many runs fit, by the largest need that was measured, else by the estimate."""
        return max(1, min(self._limit, int(self._fitting / (self._memory or 1))))

    def observe(self, now: float, paces: Sequence[Pace]) -> str:
        """Take note of how far the runs have come that train at a time in seconds. Return what was
        found, as the rest of a sentence about the GPU; "" if nothing was."""
        self._memory = max([self._memory, *(pace.memory for pace in paces)])
        if self.slots > self.most:
            self.allow(self.most)
            return f"takes {in_words(self.slots)} at once: more do not fit into its memory."
        if self.is_over and self._pays and self.slots < self.most:
            self.is_over = self._pays = False
            self._try(min(2 * self.slots, self.most))
            return f"tries {in_words(self.slots)} at once: more fit into its memory than estimated."
        if self.is_over:
            kinds = {pace.kind for pace in paces}
            if not kinds or kinds & self._kinds or self.slots == self.most:
                return ""
            self.is_over, self._before = False, (0, {})
            self._try(self.slots)
        measured = self._measurement
        measured.observe(now, paces)
        seconds = measured.seconds_of(self._before[1] or measured.throughputs())
        if seconds >= SECONDS * self.slots or len(measured.runs) > MOST_RUNS * self.slots:
            return self._judge()
        return ""

    def allow(self, most: int) -> None:
        """Train at most so many runs at once from now on."""
        self._limit = min(self._limit, most)
        if self.slots > self.most:
            self._try(self.most)
            self.is_over |= self.slots <= self._before[0]

    def _try(self, slots: int) -> None:
        self.slots = slots
        self._measurement = Measurement((self._before[0] + slots) / 2)

    def _judge(self) -> str:
        """Choose the next number from what was measured, and say why."""
        tried, (before, known) = self.slots, self._before
        throughputs, self._pays = self._measurement.throughputs(), False
        self._kinds = {*throughputs, *known}
        alike = [kind for kind in throughputs if kind in known]
        why = f": with {tried} nothing could be compared" * bool(before or not throughputs)
        if alike:
            ratios = [throughputs[kind] / known[kind] for kind in alike]
            seconds = [self._measurement.seconds_of({kind}) for kind in alike]
            growth = fmean(ratios, seconds)
            change = f"{'fell' if growth < 1 else 'grew'} by {100 * abs(growth - 1):.1f} %"
            why = f": with {tried} the throughput {change}"
            if growth < GROWTH:
                self.is_over = True
                self._try(before)
                return f"takes {in_words(before)} at once{why}."
        self._before = tried, throughputs
        if tried == self.most:
            self.is_over = self._pays = True
            return f"takes {in_words(tried)} at once, the most that it may{why}."
        self._try(min(2 * tried, self.most))
        return f"tries {in_words(self.slots)} at once{why}."


@dataclass(frozen=True)
class Beginning:
    """Where a part of a run begins. `run_seconds` are those of all runs, `counts` whether the part
    is measured."""

    time: float
    run_seconds: float
    epoch: int
    tokens: float
    counts: bool


class Measurement:
    """Measures the throughput of each kind of runs: a run's tokens per second, times the runs that
    train meanwhile.

    A part of a run ends with an epoch or after a minute. Parts are measured as soon as more than
    `too_few` runs train, but not a process's first one, in which it warms up. `runs` are all that
    trained.
    """

    def __init__(self, too_few: float) -> None:
        self.runs: set[str] = set()
        self._too_few, self._has_begun = too_few, False
        self._now = self._run_seconds = 0.0
        self._training = 0  # runs at the last look
        self._beginnings: dict[str, Beginning] = {}
        self._seconds, self._tokens = defaultdict[str, float](float), defaultdict[str, float](float)

    def observe(self, now: float, paces: Sequence[Pace]) -> None:
        """Take note of how far the runs have come that train at a time in seconds."""
        self._run_seconds += self._training * (now - self._now)
        self._now, self._training = now, len(paces)
        self._has_begun |= len(paces) > self._too_few
        training = {pace.run for pace in paces}
        self.runs |= training
        for run in self._beginnings.keys() - training:
            del self._beginnings[run]
        for pace in paces if self._has_begun else []:
            self._measure(pace)

    def seconds_of(self, kinds: Collection[str]) -> float:
        """Return how many seconds of runs of these kinds were measured."""
        return sum(seconds for kind, seconds in self._seconds.items() if kind in kinds)

    def throughputs(self) -> dict[str, float]:
        return {kind: self._tokens[kind] / self._seconds[kind] for kind in self._seconds}

    def _measure(self, pace: Pace) -> None:
        """Begin a part of a run, or end one and add it to what was measured."""
        begun = self._beginnings.get(pace.run)
        if begun:
            seconds, tokens = self._now - begun.time, pace.tokens - begun.tokens
            if pace.epoch == begun.epoch and seconds < LONG:
                return
            if begun.counts and tokens > 0:  # else its training is over, and it is tested
                at_once = (self._run_seconds - begun.run_seconds) / seconds
                self._seconds[pace.kind] += seconds
                self._tokens[pace.kind] += at_once * tokens
        self._beginnings[pace.run] = Beginning(
            self._now, self._run_seconds, pace.epoch, pace.tokens, counts=begun is not None
        )


def in_words(count: int) -> str:
    """Return a number of runs, in words."""
    return "1 run" if count == 1 else f"{count} runs"
