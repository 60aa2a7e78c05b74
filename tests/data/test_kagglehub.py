"""What `fetch` relies on in kagglehub and requests beyond their documented interfaces.

A new version of either may break these assumptions. Each failure names the one that broke.
"""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import kagglehub
import pytest
from kagglehub import clients, config
from requests.adapters import HTTPAdapter

from rnn_bench.data.fetch import fetch_from_kaggle as fetch
from tests.data.kaggle_server import FAKE_OR_REAL, Kaggle, kaggle_serving


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    with kaggle_serving(FAKE_OR_REAL) as kaggle:
        for name, value in kaggle.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        yield kaggle


def test_dataset_download_takes_a_handle_alone() -> None:
    parameters = [*inspect.signature(kagglehub.dataset_download).parameters.values()]
    required = [each.name for each in parameters if each.default is inspect.Parameter.empty]
    assert required == ["handle"], "kagglehub.dataset_download(handle) takes other arguments"


def test_the_cache_folder_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    assert hasattr(config, "get_cache_folder"), "kagglehub.config.get_cache_folder is gone"
    assert os.fspath(config.get_cache_folder()) == str(tmp_path), (
        "kagglehub.config.get_cache_folder() is not $KAGGLEHUB_CACHE"
    )


def test_a_corrupt_download_has_an_error_of_its_own() -> None:
    from kagglehub import exceptions

    assert hasattr(exceptions, "DataCorruptionError"), (
        "kagglehub.exceptions.DataCorruptionError is gone"
    )


def test_downloads_draw_their_bar_with_the_name_that_is_patched(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hasattr(clients, "tqdm"), "kagglehub.clients.tqdm is gone"
    bar, drawn = clients.tqdm, []

    def counted(*args: object, **options: object) -> object:
        drawn.append(options)
        return bar(*args, **options)

    monkeypatch.setattr(clients, "tqdm", counted)
    fetch("kaggle", tmp_path)
    assert drawn, "kagglehub draws no bar with kagglehub.clients.tqdm: patch the one it uses"
    assert all("disable" in options for options in drawn), (
        "fetch does not give `disable` to kagglehub.clients.tqdm"
    )


def test_every_request_is_sent_by_the_adapter_that_is_patched(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "timeout" in inspect.signature(HTTPAdapter.send).parameters, (
        "requests.adapters.HTTPAdapter.send takes no timeout"
    )
    send, timeouts = HTTPAdapter.send, []

    def watched(*args: object, **options: object) -> object:
        timeouts.append(options.get("timeout"))
        return send(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(HTTPAdapter, "send", watched)
    fetch("kaggle", tmp_path)
    assert len(timeouts) >= len(kaggle.asked_for) + len(kaggle.ranges), (
        "kagglehub does not send all requests with requests.adapters.HTTPAdapter.send"
    )
    assert all(timeouts), "fetch does not give a timeout to requests.adapters.HTTPAdapter.send"
