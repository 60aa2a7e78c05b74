"""Which process trains a run, and whether it is still alive."""

import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil
from mlflow.entities import Run

from rnn_bench.tracking import schema

DEAD_AFTER_SECONDS = 300  # without a heartbeat, by this host's clock
START_TIME_TOLERANCE = 2  # seconds; corrections of the clock move a process's start time


@dataclass(frozen=True)
class Owner:
    """A process, by its host, its id and its start time in seconds since 1970."""

    host: str
    process: int
    started: float

    @classmethod
    def this_process(cls) -> "Owner":
        """Return the calling process."""
        return cls(platform.node(), os.getpid(), psutil.Process().create_time())

    @classmethod
    def of(cls, run: Run) -> "Owner | None":
        """Return the process that a run's row names as its owner; None if the tag is missing or
        damaged."""
        try:
            host, process, started = run.data.tags[schema.OWNER].split(" ")
            return cls(host, int(process), float(started))
        except (KeyError, ValueError):
            return None

    def __str__(self) -> str:
        return f"{self.host} {self.process} {self.started}"

    def is_same(self, other: "Owner | None") -> bool:
        """Return whether both are one process, up to the tolerance of its start time."""
        return (
            other is not None
            and (self.host, self.process) == (other.host, other.process)
            and abs(self.started - other.started) < START_TIME_TOLERANCE
        )

    def is_gone(self) -> bool:
        """Return whether the process is known to have ended, which only its own host knows."""
        if self.host != platform.node():
            return False
        try:
            found = psutil.Process(self.process)
            is_other = abs(found.create_time() - self.started) > START_TIME_TOLERANCE
            return is_other or found.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def is_alive(run: Run) -> bool:
    """Return whether a process trains a run: the row is RUNNING, the process has not ended as far
    as this host knows, and its last heartbeat is less than five minutes from now. One that lies
    further ahead is of a wrong clock, and says nothing."""
    if run.info.status != "RUNNING":
        return False
    owner = Owner.of(run)
    last_beat = run.info.start_time / 1000
    with suppress(KeyError, ValueError):  # a missing or damaged tag
        last_beat = float(run.data.tags[schema.HEARTBEAT])
    has_beaten = abs(time.time() - last_beat) < DEAD_AFTER_SECONDS
    return has_beaten and not (owner is not None and owner.is_gone())


def owner_tags(owner: Owner) -> dict[str, str]:
    """Return the tags that make a process the owner of a run, with a heartbeat of now."""
    return {schema.OWNER: str(owner), schema.HEARTBEAT: f"{time.time():.0f}"}
