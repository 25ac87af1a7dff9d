"""What a trial is: something that only the hub does, measured against itself or against doing without."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.process import BenchError
from bench.servers import Kind


class PartlyFailed(BenchError):
    """Some of a trial's measurements could not be made; `found` has the figures of the others."""

    def __init__(self, found: Mapping[str, float], reason: str) -> None:
        super().__init__(reason)
        self.found = found


@dataclass(frozen=True)
class Setting:
    """How a trial is to be run. `seconds` and `warm` are those of a measurement and before it."""

    hub: Path
    """The hub's program."""
    seconds: float
    warm: float
    number: int
    """The round's: what is compared is run in another order in each."""


@dataclass(frozen=True)
class Figure:
    """One number of a trial, and what the project promises of it, if it does."""

    key: str
    title: str
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def wanted(self) -> str:
        """The promise in words; empty without one."""
        if self.at_least is not None and self.at_least == self.at_most:
            return f"{self.title} = {self.at_least:g} {self.unit}".rstrip()
        if self.at_least is not None:
            return f"{self.title} ≥ {self.at_least:g} {self.unit}"
        return "" if self.at_most is None else f"{self.title} ≤ {self.at_most:g} {self.unit}"

    def is_met(self, value: float) -> bool:
        """Whether the promise is kept."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class Bars:
    """A panel of the plot: figures that can be compared by eye."""

    title: str
    unit: str
    rows: tuple[tuple[str, str, Kind], ...]
    """Figure, label, colour."""
    scale: float = 1.0
    less_is_better: bool = False


@dataclass(frozen=True)
class Trial:
    """A row of works beside those that the peers can do, too."""

    key: str
    title: str
    run: Callable[[Setting], Mapping[str, float]]
    """Gives a value for each figure that can be had. Raises BenchError when something was lost or out of order."""
    figures: tuple[Figure, ...]
    headline: str
    """The figure that is shown while it runs."""
    bars: tuple[Bars, ...] = ()
    rounds: int | None = None
    """At most so many, where one takes long."""
    section: str = "Nothing lost"
    """Where in the report it stands."""
    left_out: Callable[[], Mapping[str, str]] = dict
    """What of it cannot be measured here, by title, and why: `run` gives no value for those figures."""
