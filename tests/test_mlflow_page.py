"""The pages of a sweep, MLflow's and its report: what `make ui`, the address that a sweep prints
and the report show in a browser that reaches nothing but this machine."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Literal

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from playwright.sync_api import Locator, Page, expect, sync_playwright

PROJECT = Path(__file__).parent.parent
EPOCHS = 3
SWEEP = (
    "model=rnn,lstm,gru",
    "dataset.articles=320",
    "dataset.length=12",
    "dataset.cue_distance=2",
    "dataset.marker_distance=3",
    "model.hidden_size=8",
    "model.embedding_dim=8",
    f"protocol.epochs={EPOCHS}",
)
PATIENCE = 120  # seconds, for what takes a few on a machine that does nothing else
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no network
]


@dataclass
class Sweep:
    """A finished sweep, in a store that another run is in too."""

    folder: Path
    address: str
    runs: list[Run]
    report: Path


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found:
        return found
    missing = "there is no Chromium; on Debian: apt install chromium"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="module")
def sweep(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "Makefile").symlink_to(PROJECT / "Makefile")
    finished = subprocess.run(
        [sys.executable, "-m", "rnn_bench", "-m", "hydra/launcher=basic", *SWEEP],
        cwd=folder,
        env={**environment(), "RNN_BENCH_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    address = re.search(r"Compare its runs in MLflow: make ui, then (http\S+)", finished.stdout)
    assert address, finished.stdout
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("rnn-bench")
    assert experiment
    runs = list(client.search_runs([experiment.experiment_id]))
    client.create_run(experiment.experiment_id, run_name="another-sweeps-run")
    (report,) = folder.glob("reports/*/index.html")
    return Sweep(folder, address[1], runs, report)


@pytest.fixture(scope="module")
def page(chromium: str, sweep: Sweep) -> Iterator[Page]:
    """The address that the sweep printed, opened while `make ui` runs."""
    with mlflow_ui(sweep.folder) as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        # MLflow builds a chart when it comes into view: here all of them are.
        page = browser.new_page(viewport={"width": 1400, "height": 3000})
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(sweep.address.replace("127.0.0.1:5000", f"127.0.0.1:{port}"))
        yield page
        browser.close()


def environment() -> dict[str, str]:
    """This process's, without what belongs to the tests or to the make that started them."""
    own = re.compile("COVERAGE_|MAKE|MFLAGS|MLFLOW_|RNN_BENCH_|(PORT|ARGS)$")
    return {name: value for name, value in os.environ.items() if not own.match(name)}


@contextmanager
def mlflow_ui(folder: Path) -> Iterator[int]:
    """`make ui` in a folder, with this Python's packages; gives the port that it listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    installed = ["-o", ".venv/.installed", f"VENV={Path(sys.executable).parent}"]
    log = folder / "ui.txt"
    with log.open("w") as output:
        ui = subprocess.Popen(
            ["make", *installed, "ui", f"PORT={port}"],
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not listening(port):
            assert ui.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield port
    finally:
        ui.terminate()
        try:
            ui.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(ui.pid, SIGKILL)


def listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def chart(page: Page, metric: str) -> Locator:
    """A metric's card."""
    heading = page.get_by_role("heading", name=metric, exact=True)
    return page.get_by_test_id("experiment-view-compare-runs-card").filter(has=heading)


def expect_visible(shapes: Locator, count: int) -> None:
    expect(shapes).to_have_count(count, timeout=PATIENCE * 1000)
    for shape in shapes.all():
        shape.wait_for()


def test_the_address_that_a_sweep_prints_shows_its_runs_and_no_other(
    page: Page, sweep: Sweep
) -> None:
    assert len(sweep.runs) == 3
    for run in sweep.runs:
        page.get_by_role("link", name=run.info.run_name, exact=True).wait_for()
    page.get_by_text("3 matching runs").wait_for()
    expect(page.get_by_text("another-sweeps-run")).to_have_count(0)


def test_the_page_draws_a_bar_for_the_accuracy_of_each_run(page: Page, sweep: Sweep) -> None:
    card = chart(page, "test_accuracy")
    expect_visible(card.locator(".barlayer .point path"), count=3)
    shown = card.locator(".barlayer .point text").all_text_contents()
    assert sorted(shown) == sorted(f"{run.data.metrics['test_accuracy']:.2f}" for run in sweep.runs)


@pytest.mark.parametrize("loss", ["train_loss", "val_loss"])
def test_the_page_draws_a_line_through_the_loss_of_each_epoch_for_each_run(
    page: Page, loss: str
) -> None:
    # Behind each line MLflow draws a faint one without points.
    lines = chart(page, loss).locator(".scatterlayer .trace:has(.point)")
    expect_visible(lines.locator("path.js-line"), count=3)
    expect_visible(lines.locator("path.point"), count=3 * EPOCHS)


def test_the_page_draws_no_chart_of_how_a_training_went(page: Page, sweep: Sweep) -> None:
    chart(page, "test_accuracy").wait_for()
    for name in ("trained_epochs", "learned_epoch", "training_seconds", "truncated/train"):
        assert all(name in run.data.tags for run in sweep.runs)
        expect(chart(page, name)).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_fits_every_screen_and_needs_no_network(
    width: int, scheme: Literal["light", "dark"], page: Page, sweep: Sweep
) -> None:
    browser = page.context.browser
    assert browser
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    report = context.new_page()
    asked: list[str] = []
    report.on("request", lambda request: asked.append(request.url))
    errors: list[str] = []
    report.on("pageerror", lambda error: errors.append(str(error)))
    report.goto(sweep.report.as_uri())
    assert report.evaluate("document.documentElement.scrollWidth") == width
    for figure in ("accuracy", "losses", "time"):
        expect(report.locator(f"#figure-{figure} svg:visible")).to_have_count(1)
    paper = report.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 28)")
    assert asked == [sweep.report.as_uri()]
    assert errors == []
    context.close()


def test_every_link_of_the_report_opens_what_it_says(page: Page, sweep: Sweep) -> None:
    port = page.url.partition("//127.0.0.1:")[2].partition("/")[0]
    browser = page.context.browser
    assert browser
    report = browser.new_page()
    report.goto(sweep.report.as_uri())
    report.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    for link in report.locator("nav a").all():
        target = report.locator(str(link.get_attribute("href")))
        expect(target.locator("h2")).to_have_text(str(link.text_content()))
    links = report.locator("#table-runs a").all()
    assert len(links) == 3
    names = {str(link.text_content()): str(link.get_attribute("href")) for link in links}
    assert names.keys() == {run.info.run_name for run in sweep.runs}
    for name, address in names.items():
        report.goto(address.replace("127.0.0.1:5000", f"127.0.0.1:{port}"))
        report.get_by_role("heading", name=name).first.wait_for()
    report.close()
