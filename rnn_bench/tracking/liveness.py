"""Who is at a run, and whether they still are."""

import os
import platform
import time
from dataclasses import dataclass

import psutil
from mlflow.entities import Run

DEAD_AFTER_SECONDS = 300  # without a heartbeat
START_TIME_TOLERANCE = 2  # seconds; the clock's own corrections move a process's start time


@dataclass(frozen=True)
class Owner:
    """A process: its host, id, and start time in seconds since 1970."""

    host: str
    process: int
    started: float

    @classmethod
    def this_process(cls) -> "Owner":
        return cls(platform.node(), os.getpid(), psutil.Process().create_time())

    @classmethod
    def of(cls, run: Run) -> "Owner | None":
        """Who began or took over a run; None if its row does not say."""
        host, _, rest = run.data.tags.get("owner", "").partition(" ")
        process, _, started = rest.partition(" ")
        return cls(host, int(process), float(started)) if started else None

    def __str__(self) -> str:
        return f"{self.host} {self.process} {self.started}"

    def is_same(self, other: "Owner | None") -> bool:
        return (
            other is not None
            and (self.host, self.process) == (other.host, other.process)
            and abs(self.started - other.started) < START_TIME_TOLERANCE
        )

    def is_gone(self) -> bool:
        """Whether it is known to have ended, which only its own host can say."""
        if self.host != platform.node():
            return False
        try:
            there = psutil.Process(self.process)
            zombie = there.status() == psutil.STATUS_ZOMBIE
            return zombie or abs(there.create_time() - self.started) > START_TIME_TOLERANCE
        except psutil.NoSuchProcess:
            return True


def is_alive(run: Run) -> bool:
    """Whether somebody is at a run that is not ended: its process is there, as far as this host
    can tell, and its last heartbeat is less than five minutes old."""
    if run.info.status != "RUNNING":
        return False
    owner = Owner.of(run)
    last = float(run.data.tags.get("heartbeat", run.info.start_time / 1000))
    beats = time.time() - last < DEAD_AFTER_SECONDS
    return beats and not (owner is not None and owner.is_gone())


def mark(owner: Owner) -> dict[str, str]:
    """The tags by which a process holds a run."""
    return {"owner": str(owner), "heartbeat": f"{time.time():.0f}"}
