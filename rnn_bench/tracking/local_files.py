"""Keeps tracking servers from choosing files of this machine.

A server says where a run's artifacts lie. If it says `file:`, MLflow reads and writes that folder
on the machine that asks, whichever folder it is.
"""

import os
from typing import Any
from urllib.parse import urlparse

from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from rnn_bench.config.errors import UsageError

VARIABLE = "RNN_BENCH_SERVER_FILES"
LOCAL = ("", "file")  # schemes of URIs


def refuse_local_files(artifact_uri: str, tracking_uri: str | None) -> None:
    """Check that it is no server that says that artifacts lie in a folder of this machine.

    Raises:
        UsageError: it is one, and $RNN_BENCH_SERVER_FILES does not allow that.
    """
    is_server = urlparse(tracking_uri or "").scheme in ("http", "https")
    is_local = urlparse(artifact_uri).scheme.lower() in LOCAL
    if is_server and is_local and os.environ.get(VARIABLE) != "1":
        raise UsageError(
            f"The server {tracking_uri} says that artifacts lie in {artifact_uri}, a folder of "
            "this machine.\nNothing is read or written there, because a server could name any "
            f"folder.\nIf you know the server and share that folder with it, set {VARIABLE}=1; "
            "else\nhave it started with --serve-artifacts and an experiment of its own."
        )


class LocalFiles(LocalArtifactRepository):
    """MLflow's access to artifacts in a folder, for stores that may choose one.

    Raises:
        UsageError: the store is a server.
    """

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        refuse_local_files(artifact_uri, tracking_uri)
        super().__init__(artifact_uri, tracking_uri, registry_uri)


def guard_local_files() -> None:
    """Make MLflow in this process use `LocalFiles` for every folder."""
    repositories: dict[str, Any] = get_registered_artifact_repositories()
    for scheme in LOCAL:
        repositories[scheme] = LocalFiles
