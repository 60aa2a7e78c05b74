"""The cards of conf/dataset, fetched from a local server that has the real files, and read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rnn_bench.config.composition import Composer
from rnn_bench.config.dataset import Card
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.schema import Config
from rnn_bench.data.audit import audit_corpus
from rnn_bench.data.cache import configured_corpus
from rnn_bench.data.corpora.editions import blob_id
from rnn_bench.data.corpus import Articles, DataError, MissingCorpus
from tests.data.file_server import Source, serving

Configured = Callable[..., Config]

SENTIMENT = ("negative", "positive")
GRADES = ("very negative", "negative", "neutral", "positive", "very positive")
ANSWERS = ("description", "entity", "abbreviation", "human", "location", "number")
REUTERS = ("acq", "crude", "earn", "grain", "interest", "money-fx", "ship", "trade")
# Articles of training, validation and test file, classes, and what the training file begins with.
CORPORA: dict[str, tuple[tuple[int, int, int], tuple[str, ...], str]] = {
    "mr": ((10_662, 0, 0), SENTIMENT, "negative simplistic , silly"),
    "sst2": ((6_920, 872, 1_821), SENTIMENT, "positive a stirring , funny"),
    "sst5": ((8_544, 1_101, 2_210), GRADES, "very positive a stirring , funny"),
    "subj": ((10_000, 0, 0), ("subjective", "objective"), "subjective smart and alert"),
    "trec": ((5_452, 0, 500), ANSWERS, "description how did serfdom develop"),
    "cr": ((3_775, 0, 0), SENTIMENT, "negative weaknesses are minor"),
    "mpqa": ((10_606, 0, 0), SENTIMENT, "negative complaining"),
    "r8": ((5_485, 0, 2_189), REUTERS, "earn champion products approves stock split"),
    "mr-textgcn": ((7_108, 0, 3_554), SENTIMENT, "positive 'moore is like a progressive bull"),
}


def paths(card: Card) -> dict[str, str]:
    """The path below the source of each file."""
    return {name: about.get("path", name) for name, about in card.files.items()}


def read(config: Config) -> Articles:
    """The articles as the files give them, before folds are cut."""
    return configured_corpus(config).corpus.read()


def sizes(articles: Articles) -> tuple[int, ...]:
    splits = (articles.train, articles.validation or ([], []), articles.test)
    return tuple(len(texts) for texts, _ in splits)


@pytest.mark.parametrize("name", CORPORA)
def test_a_card_is_fetched_and_read_and_is_the_published_corpus(
    name: str, articles: Path, configured: Configured, tmp_path: Path
) -> None:
    card = configured(f"dataset={name}").dataset
    there = articles / name / "raw"
    files = {path: (there / file).read_bytes() for file, path in paths(card).items()}
    with serving(files) as source:
        config = configured(f"dataset={name}", f"dataset.source={source.url}", "data_dir=here")
        configured_corpus(config).corpus.fetch()
    assert sorted(source.asked_for) == sorted(files)
    found = read(config)
    expected, classes, start = CORPORA[name]
    assert (sizes(found), found.classes, found.edition) == (expected, classes, "published")
    texts, labels = found.train
    assert f"{classes[labels[0]]} {texts[0]}".startswith(start)
    assert {*labels} == {*range(len(classes))}


def test_every_card_is_tested() -> None:
    folder = Path(__file__).parents[3] / "conf" / "dataset"
    cards = {path.stem for path in folder.glob("*.yaml") if "dataset/card@" in path.read_text()}
    assert cards == CORPORA.keys()


@pytest.mark.parametrize("name", CORPORA)
def test_a_card_says_what_it_is_whose_and_what_was_published(
    name: str, configured: Configured
) -> None:
    card = configured(f"dataset={name}").dataset
    assert card.what
    assert card.licence
    assert card.cite
    assert all(each.source and 0 < each.accuracy < 1 for each in card.published)
    assert any(each.train_size == 1 for each in card.published)
    needs_folds = card.test is None and card.index is None
    assert (card.folds, card.fold) == ((10 if needs_folds else None), 0)


def test_texts_are_read_in_their_own_encoding_and_lines_end_at_lf_alone(
    articles: Path, configured: Configured
) -> None:
    def words(name: str) -> set[str]:
        texts = read(configured(f"dataset={name}", f"data_dir={articles}")).train[0]
        return {word for text in texts for word in text.split()}

    assert {"clichés", "amélie's"} <= words("mr")
    assert {"joffé", "café"} <= words("sst2")
    assert not any("Ã" in word or "\ufffd" in word for word in words("sst5"))


@pytest.mark.parametrize(
    ("settings", "train", "test"),
    [
        (("dataset=cr",), 3_397, 378),
        (("dataset=sst2",), 6_920, 1_821),  # with a validation file
        (("dataset=sst2", "dataset.resample=0"), 7_792, 1_821),
    ],
)
def test_a_real_card_is_audited(
    settings: tuple[str, ...], train: int, test: int, articles: Path, configured: Configured
) -> None:
    audit = audit_corpus(configured(*settings, f"data_dir={articles}"))
    assert audit.edition == "published"
    assert {name: split.articles for name, split in audit.splits.items()} == {
        "train": train,
        "test": test,
    }
    assert next(each for each in audit.probes if each.name == "length alone").n == test


# --- a small card ---------------------------------------------------------------------------------

LINES = "dry sun and\x85wind\nwet rain and wind\n" * 10
INDEX = "".join(
    f"{number}\t{'train' if number < 14 else 'test'}\t{'wet' if number % 2 else 'dry'}\n"
    for number in range(20)
)
TEXTS = "Sun and wind \r\nRain\r\n" * 10


@pytest.fixture
def card(workplace: Path) -> Callable[..., Config]:
    """The config of a card, with the given files in its raw folder."""
    raw = workplace / "data" / "skies" / "raw"
    raw.mkdir(parents=True)
    folder = workplace / "my_conf" / "dataset"
    folder.mkdir(parents=True)

    def make(files: dict[str, str], present: bool = True, **keys: Any) -> Config:
        about = []
        for name, content in files.items():
            (raw / name).write_bytes(content.encode("latin-1"))
            about.append(f"  {name}: {{blob: {blob_id(raw / name)}}}")
            if not present:
                (raw / name).unlink()
        train = next(iter(files))
        lines = ["defaults: [/schema/dataset/card@_here_, _self_]", "name: sky", "corpus: skies"]
        lines += ["source: http://127.0.0.1:1/", "files:", *about, "encoding: latin-1"]
        lines += [f"train: {train}", "classes: {dry: dry, wet: wet}"]
        lines += [f"{key}: {value}" for key, value in keys.items()]
        (folder / "skies.yaml").write_text("\n".join(lines))
        composer = Composer([str(workplace / "my_conf")])
        return composer.job(composer.compose(["dataset=skies", "sweep_id=test"])).config

    return make


def test_label_and_text_are_on_a_line(card: Callable[..., Config]) -> None:
    found = read(card({"skies.txt": LINES}))
    assert found.train[0][:2] == ["sun and\x85wind", "rain and wind"]
    assert found.train[1] == [0, 1] * 10
    assert (found.test, found.validation, found.edition) == (([], []), None, "published")


def test_a_file_says_of_each_line_of_another_its_split_and_label(
    card: Callable[..., Config],
) -> None:
    found = read(card({"texts.txt": TEXTS, "index.txt": INDEX}, index="index.txt"))
    assert sizes(found) == (14, 0, 6)
    assert found.train[0][:2] == ["sun and wind", "rain"]
    assert found.columns()["text"][0][0] == "Sun and wind"
    assert found.test[1] == [0, 1] * 3


def test_changed_files_are_read_and_are_another_edition(card: Callable[..., Config]) -> None:
    config = card({"skies.txt": LINES})
    (Path("data") / "skies" / "raw" / "skies.txt").write_text(LINES * 2, encoding="latin-1")
    found = read(config)
    assert (len(found.train[0]), found.edition) == (40, "other")


@pytest.mark.parametrize(
    ("files", "keys", "says"),
    [
        ({"a.txt": "dry sun\nfog x\n"}, {}, "a.txt, line 2: the label 'fog' is none of dataset.cl"),
        ({"a.txt": "dry sun\n\n"}, {}, "a.txt, line 2: the label '' is none of"),
        (
            {"a.txt": LINES},
            {"encoding": "utf-8"},
            "a.txt is not utf-8: invalid start byte (byte 0x",
        ),
        ({"a.txt": LINES}, {"encoding": "utf-9"}, "dataset.encoding=utf-9 is not an encoding."),
        ({"a.txt": TEXTS, "b": INDEX * 2}, {"index": "b"}, "a.txt has 20 lines and b 40: they"),
        ({"a.txt": "x\n", "b": "0\tlater\tdry\n"}, {"index": "b"}, "b, line 1: the split 'later'"),
        ({"a.txt": "x\n", "b": "0\n"}, {"index": "b"}, "b, line 1: the split '' is none of"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_file_and_line(
    files: dict[str, str], keys: dict[str, str], says: str, card: Callable[..., Config]
) -> None:
    lines = {key: value for key, value in keys.items() if key != "encoding"}
    config = card(files, **lines)
    config.dataset.encoding = keys.get("encoding", "latin-1")
    with pytest.raises(DataError) as refused:
        read(config)
    assert says in str(refused.value)


def test_files_that_are_not_there_are_missing(card: Callable[..., Config]) -> None:
    with pytest.raises(MissingCorpus, match=r"no articles of skies in data: .*a\.txt not found"):
        read(card({"a.txt": LINES}, present=False))


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("dataset.test=other.txt", "dataset.test=other.txt is not possible: dataset.files has no"),
        ("++dataset.files.other={bolb:x}", "it must have the key blob"),
        ("dataset.published=[{model:x,accuracy:76.1,source:y}]", "above 0 and at most 1"),
        ("dataset.published=[{model:x,accuracy:0.7}]", "dataset.published[0].source has no value"),
    ],
)
def test_a_card_that_does_not_fit_together_is_refused(
    key: str, says: str, configured: Configured
) -> None:
    with pytest.raises(ConfigError) as refused:
        configured("dataset=mr", key)
    assert says in str(refused.value)


# --- fetching -------------------------------------------------------------------------------------

CONTENT = "".join(f"dry sun {number}\nwet rain {number}\n" for number in range(20_000))


@pytest.fixture
def source() -> Iterator[Source]:
    with serving({"a.txt": CONTENT.encode()}) as source:
        yield source


@pytest.fixture
def fetch(card: Callable[..., Config], source: Source) -> Callable[[], bytes]:
    """Fetches the small card's file; gives its content."""
    config = card({"a.txt": CONTENT}, present=False)
    config.dataset.source = source.url

    def fetch() -> bytes:
        configured_corpus(config).corpus.fetch()
        return (Path("data") / "skies" / "raw" / "a.txt").read_bytes()

    return fetch


def refusal(fetch: Callable[[], bytes]) -> str:
    with pytest.raises(DataError) as refused:
        fetch()
    message = str(refused.value)
    assert len(message.splitlines()) <= 6
    return message


def raw() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (Path("data") / "skies" / "raw").iterdir()}


def test_a_cut_off_download_goes_on_where_it_stopped(
    fetch: Callable[[], bytes], source: Source
) -> None:
    source.behaviour = "cut off"
    assert "The download was cut off. What has come is kept." in refusal(fetch)
    assert [*raw()] == ["a.txt.part"]
    kept = len(raw()["a.txt.part"])
    source.behaviour = "whole"
    assert fetch() == CONTENT.encode()
    assert source.ranges == [None, f"bytes={kept}-"]
    assert 0 < kept < len(CONTENT)
    assert [*raw()] == ["a.txt"]


def test_a_server_that_knows_no_ranges_sends_all_again(
    fetch: Callable[[], bytes], source: Source
) -> None:
    source.behaviour = "cut off"
    refusal(fetch)
    source.behaviour = "without ranges"
    assert fetch() == CONTENT.encode()


def test_a_whole_part_needs_no_more(fetch: Callable[[], bytes], source: Source) -> None:
    part = Path("data") / "skies" / "raw" / "a.txt.part"
    part.write_text(CONTENT)
    assert fetch() == CONTENT.encode()


def test_a_server_that_stalls_is_given_up(
    fetch: Callable[[], bytes], source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.behaviour = "silent half way"
    monkeypatch.setattr("rnn_bench.data.download.STALL_SECONDS", 0.3)
    assert "sends nothing for 0.3 s. What has come is kept." in refusal(fetch)


def test_a_refused_download_says_its_status_and_what_to_bring_whence_and_where(
    fetch: Callable[[], bytes], source: Source, workplace: Path
) -> None:
    source.behaviour = 403
    server = source.url.removeprefix("http://")
    assert refusal(fetch) == (
        f"{server} refuses the download: 403 Forbidden.\n"
        "Try again, or bring a.txt yourself: from\n"
        f"  {source.url}/a.txt\nto\n  {workplace}/data/skies/raw"
    )


def test_without_network_the_server_is_named(card: Callable[..., Config]) -> None:
    config = card({"a.txt": CONTENT}, present=False)
    message = refusal(lambda: configured_corpus(config).corpus.fetch() or b"")
    assert message.startswith("127.0.0.1:1 cannot be reached: Connection refused.")


def test_a_wrong_file_is_refused_with_both_blob_ids(
    fetch: Callable[[], bytes], source: Source, tmp_path: Path
) -> None:
    source.files = {"a.txt": b"other\n"}
    (tmp_path / "other").write_bytes(b"other\n")
    message = refusal(fetch)
    assert f"{source.url}/a.txt\nis not the published a.txt" in message
    assert f"its git blob id is {blob_id(tmp_path / 'other')}, and that of the" in message
    assert raw() == {}


def test_a_file_that_is_there_is_not_overwritten(
    fetch: Callable[[], bytes], source: Source
) -> None:
    file = Path("data") / "skies" / "raw" / "a.txt"
    file.write_bytes(b"mine")
    assert f"{file.absolute()} is there and is not the published one" in refusal(fetch)
    assert raw() == {"a.txt": b"mine"}
    assert source.asked_for == []


def test_published_files_that_are_there_need_no_network(
    fetch: Callable[[], bytes], source: Source
) -> None:
    fetch()
    fetch()
    assert source.asked_for == ["a.txt"]
