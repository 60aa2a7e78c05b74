import json
from pathlib import Path
from typing import Any

import pytest

from rnn_bench.data.audit.results import CorpusAudit
from rnn_bench.data.audit.summary import summary
from rnn_bench.data.corpus import DataError
from tests.data.planted import articles, audit_of

LAYOUT = {
    "corpus": "planted",
    "edition": "other",
    "fingerprint": "f",
    "left_out": "",
    "splits": {
        split: {
            "articles": 3,
            "classes": {"fake": 1, "real": 2},
            "words": {
                "real": {
                    **{"min": 1.0, "q25": 1.25, "median": 1.5, "q75": 1.75, "max": 2.0},
                    "mean": 1.5,
                    "histogram": {"edges": [0, 1, 2, 3], "counts": [0, 1, 1]},
                }
            },
        }
        for split in ("train", "test")
    },
    "duplicates": {"within_train": 0, "within_test": 0, "test_in_train": 1, "contradicting": 2},
    "near_duplicates": {
        "threshold": 0.8,
        "method": "by eye",
        **{"within_train": 0, "within_test": 0, "test_in_train": 0},
    },
    "test_articles_in_train": [2],
    "test_articles_near_train": [],
    "majority": {"class": "real", "accuracy": 0.6667, "n": 3},
    "probes": [
        {
            **{"name": "length alone", "what": "The number of words."},
            **{"accuracy": 1.0, "low": 0.7, "high": 1.0, "n": 3},
            **{"balanced_accuracy": 1.0, "balanced_low": 0.4, "auc": 1.0, "auc_low": 1.0},
            **{"chance": 0.5, "missing": None},
        },
        {
            **{"name": "date alone", "what": "The date."},
            **dict.fromkeys(("accuracy", "low", "high", "n")),
            **dict.fromkeys(("balanced_accuracy", "balanced_low", "auc", "auc_low", "chance")),
            "missing": "there is no raw column date",
        },
    ],
    "telling_words": {
        "tokens": "words",
        "words": {
            "fake": [
                {
                    **{"word": "via", "information": 0.2, "train": 0.5, "train_others": 0.1},
                    **{"test": 0.4, "test_others": None},
                }
            ],
            "real": [],
        },
        "probe": {
            **{"name": "telling words", "what": "Which of them there are."},
            **dict.fromkeys(("accuracy", "low", "high", "n")),
            **dict.fromkeys(("balanced_accuracy", "balanced_low", "auc", "auc_low", "chance")),
            "missing": "no word tells",
        },
    },
    "dateline_cuts": {"train": {"articles": 3, "limit": 100, "beyond": 1, "longest": 180}},
}
ADDED = {
    **{"left_out": "", "test_articles_in_train": [], "test_articles_near_train": []},
    **{"telling_words": None, "dateline_cuts": {}},
}


def read(content: Any) -> CorpusAudit:
    return CorpusAudit.from_json(json.dumps(content), "audit.json")


def test_an_audit_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, articles(40, 0), articles(20, 1))
    assert CorpusAudit.from_json(audit.to_json(), "audit.json") == audit


def test_the_layout_in_json_stays_as_it_is() -> None:
    written = read(LAYOUT).to_json()
    assert json.loads(written) == LAYOUT
    assert [*json.loads(written)] == [*LAYOUT]


def test_what_older_audits_lack_has_a_default() -> None:
    audit = read({name: value for name, value in LAYOUT.items() if name not in ADDED})
    assert {name: getattr(audit, name) for name in ADDED} == ADDED
    assert audit.all_probes == audit.probes
    assert "telling words" not in summary(audit)
    assert "date alone" in summary(audit)


def test_a_probe_beats_a_constant_if_its_interval_lies_above_the_largest_class() -> None:
    audit = read(LAYOUT)
    assert audit.best_constant == 2 / 3
    assert [audit.beats_constant(probe) for probe in audit.probes] == [True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"audit\.json is not the audit of a corpus: "),
        ({}, r"audit\.json is not the audit of a corpus: corpus: Field required\."),
        ({**LAYOUT, "majority": {"accuracy": 1, "n": 2}}, r"majority\.class: Field required"),
        ({**LAYOUT, "test_articles_in_train": "all"}, "test_articles_in_train: Input should be"),
    ],
)
def test_what_is_no_audit_is_named_with_the_value(content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(content)


def test_a_torn_file_is_named() -> None:
    with pytest.raises(DataError, match=r"^audit\.json is not the audit of a corpus: Invalid JSON"):
        CorpusAudit.from_json("{", "audit.json")
