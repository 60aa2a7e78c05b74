"""Bring data sets of the Hugging Face hub, and folders in its layout, through its library
`datasets`, which keeps them in its cache. No code of a repository is run."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_bench.config.errors import shorten
from rnn_bench.data.corpus import DataError
from rnn_bench.data.download import CONNECT_SECONDS

# Kinds of files that are read. Others hold no texts, and some of them can hold code (pickles).
KINDS = ("arrow", "csv", "json", "parquet", "text")
LONGEST_REASON = 300

Splits = Mapping[str, Any]  # `datasets.Dataset` by name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """A data set in the library's cache: its commit, and the Arrow files of each split."""

    commit: str
    files: Mapping[str, Sequence[str]]

    def missing(self) -> list[Path]:
        """Return the files that are not there any more."""
        files = [Path(file) for each in self.files.values() for file in each]
        return [file for file in files if not file.is_file()]

    def splits(self) -> Splits:
        """Return the articles of each split, mapped into memory."""
        library = quiet_library()
        return {
            name: library.concatenate_datasets([*map(library.Dataset.from_file, files)])
            for name, files in self.files.items()
        }


def quiet_library() -> Any:
    """Return the library `datasets`, which prints errors alone, and progress in a terminal only.

    Raises:
        DataError: it is not installed.
    """
    try:
        import datasets
        import huggingface_hub
    except ImportError as missing:
        raise DataError(
            f"dataset=hub needs the extra hub, and {missing.name} is not installed. In the folder "
            "of rnn_bench: pip install '.[hub]'"
        ) from missing
    for library in (datasets, huggingface_hub):
        library.utils.logging.set_verbosity_error()
        if not sys.stderr.isatty():
            library.utils.disable_progress_bars()
    return datasets


def download(path: str, revision: str, configuration: str | None) -> Download:
    """Bring a data set of the hub into the library's cache, at the commit that a revision is.

    With HF_HUB_OFFLINE=1 the copy that is in the cache is taken.

    Raises:
        DataError: there is no such data set, revision or configuration, it must not or cannot be
            read, or the hub cannot be reached.
    """
    quiet_library()
    commit = find_commit(path, revision)
    with explained_failure(path):
        builder = _builder(path, configuration, commit)
        found = str(builder.hash)
        if commit is None:
            if revision not in ("main", found):
                raise DataError(
                    f"HF_HUB_OFFLINE is set, and the cache has {path} at commit {found}, of which "
                    f"nothing says that it is dataset.revision={revision}. Name that commit, or "
                    "unset HF_HUB_OFFLINE."
                )
            log.info("HF_HUB_OFFLINE is set: the copy of %s in the cache is taken.", path)
        elif found != commit:
            raise DataError(f"{path} cannot be read at commit {commit}: the hub broke off.")
        builder.download_and_prepare()
        splits = builder.as_dataset()
    files = {
        name: [each["filename"] for each in split.cache_files] for name, split in splits.items()
    }
    return Download(found, files)


def folder_splits(folder: Path, configuration: str | None) -> Splits:
    """Return the articles of each split of a folder in the hub's layout.

    Raises:
        DataError: it has no such configuration, or cannot be read.
    """
    quiet_library()
    with explained_failure(str(folder)):
        builder = _builder(str(folder.absolute()), configuration, None)
        builder.download_and_prepare()
        return dict(builder.as_dataset())


def find_commit(path: str, revision: str) -> str | None:
    """Return the commit that a revision of a data set is on the hub, asking once; None with
    HF_HUB_OFFLINE.

    Raises:
        DataError: there is no such data set or revision, it is closed, or the hub cannot be
            reached.
    """
    from huggingface_hub import HfApi, errors

    api = HfApi()
    page = f"{api.endpoint}/datasets/{path}"
    try:
        return str(api.dataset_info(path, revision=revision, timeout=CONNECT_SECONDS).sha)
    except errors.OfflineModeIsEnabled:
        return None
    except errors.GatedRepoError as error:
        raise DataError(
            f"{path} is gated: its owner decides who may read it. Ask for access on\n  {page}\n"
            "and set HF_TOKEN to a token of your account (or: hf auth login)."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DataError(
            f"dataset.revision={revision} is not possible: {path} has no such branch, tag or "
            f"commit. Those that there are:\n  {page}/tree/main"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise DataError(
            f"There is no data set {path} on {api.endpoint}, or it is private. dataset.path is "
            "OWNER/NAME as in the address of its page, or a folder.\nA private one needs HF_TOKEN, "
            "a token of an account that may read it."
        ) from error
    except Exception as error:  # of the network, by whichever library the hub's own one uses
        answer = getattr(getattr(error, "response", None), "status_code", None)
        what = f"answers with status {answer}" if answer else f"cannot be reached: {error}"
        raise DataError(
            f"{path} cannot be fetched: {api.endpoint} {shorten(what, LONGEST_REASON)}.\n"
            "HF_ENDPOINT names a mirror, and HF_HUB_OFFLINE=1 takes the copy that the library "
            "datasets has in its cache. dataset.path may be a folder with the files too."
        ) from error


def _builder(path: str, configuration: str | None, commit: str | None) -> Any:
    """Return the library's builder of a data set or folder.

    Raises:
        DataError: there is no such configuration, or its files are of another kind.
    """
    import datasets

    try:
        builder = datasets.load_dataset_builder(path, configuration, revision=commit)
    except ValueError as error:
        if commit is None and not Path(path).is_dir():  # offline, where the names are not known
            raise
        names = datasets.get_dataset_config_names(path, revision=commit)
        if configuration in names or (len(names) < 2 and configuration is None):
            raise
        what = "is not one of" if configuration else "is not enough to choose among"
        raise DataError(
            f"dataset.configuration={configuration or 'null'} {what} those of {path}: "
            f"{shorten(', '.join(names), LONGEST_REASON)}."
        ) from error
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in (*KINDS, "cache"):
        raise DataError(
            f"{path} has files of the kind {kind}, which are not read. Those that are: "
            f"{', '.join(KINDS)}."
        )
    return builder


@contextmanager
def explained_failure(path: str) -> Iterator[None]:
    """Turn what the library raises in the block into a DataError, which says why in a line."""
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import DataFilesNotFoundError

    try:
        yield
    except DataError:
        raise
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = shorten(f"{type(cause).__name__}: {cause}", LONGEST_REASON)
        if "OfflineModeIsEnabled" in reason:
            reason = (
                "HF_HUB_OFFLINE is set, and the cache of the library datasets does not have it. "
                "Fetch it without HF_HUB_OFFLINE once; HF_HOME names another cache."
            )
        elif "scripts are no longer supported" in str(error):
            reason = (
                "it is a script, and no code of a repository is run. The hub may have it as files: "
                "dataset.revision=refs/convert/parquet"
            )
        elif isinstance(error, DataFilesNotFoundError | EmptyDatasetError):
            reason = f"it has no files of a kind that is read ({', '.join(KINDS)})."
        elif isinstance(cause, OSError) and isinstance(cause.filename, str):
            reason = (
                f"{cause.filename}: {cause.strerror}. HF_HOME names another folder for the "
                "library's cache."
            )
        raise DataError(f"{path} cannot be read: {reason}") from error
