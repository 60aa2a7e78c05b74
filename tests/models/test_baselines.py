from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from rnn_bench.data.encoding import Split
from rnn_bench.data.vocabulary import build_vocabulary, encode_tokens, tokenize
from rnn_bench.models.baselines.baseline import Baseline
from rnn_bench.models.baselines.majority import MajorityClassifier
from rnn_bench.models.baselines.tfidf import TfidfClassifier

TEXTS = ["good day sun sun", "bad night", "good sun", "bad bad rain", "day rain", "night sun"]
LABELS = [1, 0, 1, 0, 0, 1]
VOCABULARY = build_vocabulary(tokenize(TEXTS))


def split(texts: list[str], labels: list[int]) -> Split:
    tokens, offsets = encode_tokens(tokenize(texts), VOCABULARY, 512)
    return Split(torch.from_numpy(tokens), torch.from_numpy(offsets), torch.tensor(labels))


def test_tfidf_is_scikit_learn_s_on_the_texts() -> None:
    ours = TfidfClassifier(10.0, vocabulary_size=len(VOCABULARY), classes=2, readout="last_token")
    ours.fit(split(TEXTS, LABELS))
    vectorizer = TfidfVectorizer(vocabulary=VOCABULARY[2:])
    theirs = LogisticRegression(C=10.0, max_iter=1000)
    theirs.fit(vectorizer.fit_transform(TEXTS), LABELS)
    unseen = ["good night", "rain rain day", "words never seen"]
    expected = theirs.predict_log_proba(vectorizer.transform(unseen))
    found = ours.log_probabilities(split(unseen, [0, 0, 0])).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_tfidf_leaves_the_articles_as_they_are() -> None:
    articles = split(TEXTS, LABELS)
    before = articles.tokens.clone(), articles.offsets.clone()
    model = TfidfClassifier(1.0, vocabulary_size=len(VOCABULARY), classes=2, readout="mean")
    model.fit(articles)
    model.log_probabilities(articles)
    assert torch.equal(articles.tokens, before[0])
    assert torch.equal(articles.offsets, before[1])


def test_tfidf_keeps_its_weights_by_name() -> None:
    model = TfidfClassifier(1.0, vocabulary_size=len(VOCABULARY), classes=2, readout="mean")
    model.fit(split(TEXTS, LABELS))
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == {
        "idf": (len(VOCABULARY),),
        "coefficients": (1, len(VOCABULARY)),
        "intercepts": (1,),
    }


def test_the_majority_gives_every_article_the_class_shares_of_training() -> None:
    model = MajorityClassifier(vocabulary_size=9, classes=3, readout="mean")
    model.fit(split(TEXTS, [2, 0, 2, 2, 0, 2]))
    found = model.log_probabilities(split(["a", "b"], [0, 0])).exp()
    torch.testing.assert_close(found, torch.tensor([[2 / 6, 0.0, 4 / 6]] * 2))


@pytest.mark.parametrize("make", [MajorityClassifier, partial(TfidfClassifier, 1.0)])
def test_a_baseline_that_is_loaded_answers_as_the_fitted_one(make: Callable[..., Baseline]) -> None:
    fitted, loaded = (
        make(vocabulary_size=len(VOCABULARY), classes=2, readout="mean") for _ in range(2)
    )
    fitted.fit(split(TEXTS, LABELS))
    loaded.load_state_dict(load(save(fitted.state_dict())))
    unseen = split(["good night", "rain rain day", "words never seen"], [0, 0, 0])
    assert torch.equal(loaded.log_probabilities(unseen), fitted.log_probabilities(unseen))
