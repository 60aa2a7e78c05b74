"""Audit a corpus: its sizes, its duplicates, and what gives its classes away."""

from rnn_bench.config.schema import Config
from rnn_bench.data.audit.dateline import dateline_cuts
from rnn_bench.data.audit.duplicates import exact_duplicates, near_duplicates
from rnn_bench.data.audit.probes import majority, probe_results
from rnn_bench.data.audit.results import CorpusAudit
from rnn_bench.data.audit.sizes import split_sizes
from rnn_bench.data.audit.telling_words import find_telling_words
from rnn_bench.data.cache import cache_folder, configured_corpus
from rnn_bench.data.corpus import Articles, Columns, DataError
from rnn_bench.data.fingerprint import content_fingerprint, digest
from rnn_bench.files import replaced_atomically

# Raised when the same articles give another audit.
AUDIT_VERSION = 3


def audit_corpus(config: Config) -> CorpusAudit:
    """Return the audit of the config's corpus, from the cache or else computed and cached.

    Raises:
        DataError: the corpus cannot be read, or is unfit to train and test on.
        UsageError: the cache folder cannot be written.
    """
    reader = configured_corpus(config)
    with cache_folder(config, "audits") as folder:
        tokens = config.protocol.tokens
        path = folder / f"{digest([AUDIT_VERSION, reader.name, reader.key, tokens])}.json"
        try:
            return CorpusAudit.from_json(path.read_bytes(), path)
        except (FileNotFoundError, DataError):  # there is none, or it is damaged
            audit = audit_articles(reader.articles, reader.name, tokens)
        with replaced_atomically(path) as part:
            part.write_text(audit.to_json(), encoding="utf-8")
    return audit


def audit_articles(articles: Articles, name: str, tokens: str = "words") -> CorpusAudit:
    """Return the audit of the articles of the corpus `name`.

    `tokens` is the value of `protocol.tokens` by which texts are cut into words.

    Raises:
        DataError: the training articles have one class only, or there are no test articles.
    """
    if len(set(articles.train[1])) < 2:
        raise DataError(f"The training articles of {name} are not of two classes or more.")
    if not articles.test[0]:
        raise DataError(f"{name} has no test articles.")
    duplicates, in_train = exact_duplicates(articles)
    near, near_train = near_duplicates(articles)
    columns, unavailable = _raw_columns(articles)
    return CorpusAudit(
        corpus=name,
        edition=articles.edition,
        fingerprint=content_fingerprint(articles),
        left_out=articles.left_out,
        splits=split_sizes(articles),
        duplicates=duplicates,
        near_duplicates=near,
        test_articles_in_train=in_train,
        test_articles_near_train=near_train,
        majority=majority(articles),
        probes=probe_results(articles, columns, unavailable),
        telling_words=find_telling_words(articles, tokens),
        dateline_cuts=dateline_cuts(articles, columns),
    )


def _raw_columns(articles: Articles) -> tuple[Columns, str]:
    """Return the columns of the raw files, or {} and why they are not there."""
    try:
        return articles.columns(), ""
    except (DataError, OSError) as error:
        return {}, str(error)
