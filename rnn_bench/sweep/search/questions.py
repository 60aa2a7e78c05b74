"""The models of a search, each with the part of the space that it has keys for."""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any

from rnn_bench.config.composition import Job, composer_of
from rnn_bench.config.errors import ConfigError, suggestion
from rnn_bench.config.options import decisive_keys, keys_of, name_of
from rnn_bench.config.overrides import key_of, quoted
from rnn_bench.config.schema import SCHEMAS, Config
from rnn_bench.config.search import Choices, Domain
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.tracking.run_key import run_name

# What a trial never does: read test articles, of any corpus.
NO_TEST = {
    "evaluation.test": False,
    "evaluation.transfer": [],
    "evaluation.gradient_flow": False,
}
# Keys of the protocol that baselines have a part in.
OF_BASELINES = (
    *("protocol.tokens", "protocol.vocabulary_size", "protocol.vocabulary_source"),
    *("protocol.max_length", "protocol.truncation", "protocol.class_weights"),
)
UNCHANGED = object()  # the value of a key that a check leaves as it is


@dataclass(frozen=True)
class Question:
    """A model on a corpus whose settings are searched. `jobs` has the command line's job for each
    seed of a trial, `space` the keys that are searched, none for a model without settings, and
    `fresh` the seeds that the chosen configuration is trained with."""

    name: str
    jobs: Mapping[int, Job]
    space: Mapping[str, Domain]
    fresh: Sequence[int]

    @property
    def first(self) -> Job:
        """The job of the first seed."""
        return next(iter(self.jobs.values()))

    @property
    def config(self) -> Config:
        return self.first.config

    @property
    def sign(self) -> int:
        """1 where a lower figure of validation is better, else -1."""
        return 1 if self.config.protocol.select_by == "val_loss" else -1

    @property
    def trials(self) -> int:
        """The number of trials: of a grid, its cells; none where there is nothing to search."""
        if not self.space:
            return 0
        if self.config.search.sampler == "grid":
            lists = [each.values for each in self.space.values() if isinstance(each, Choices)]
            return prod(map(len, lists))
        return self.config.search.trials

    def trial(self, values: Mapping[str, Any], seeds: Sequence[int]) -> list[Job]:
        """Return the jobs of a trial with these values of searched keys, for some of its seeds."""
        return [_changed(self.jobs[seed], {**values, **NO_TEST}) for seed in seeds]

    def final(self, values: Mapping[str, Any]) -> list[Job]:
        """Return the jobs of a chosen configuration, with fresh seeds."""
        return [_changed(self.first, {**values, "seed": seed}) for seed in self.fresh]


def questions_of(jobs: Sequence[Job]) -> list[Question]:
    """Return what a command line's jobs ask a search, those that differ in their seeds together.

    Raises:
        ConfigError: the space has a key or value that is not possible, or nothing is searched.
    """
    search = jobs[0].config.search
    domains = search.domains()
    if not domains:
        raise ConfigError(
            "search.space is empty: name what is searched, such as "
            "'search.space.optimizer.lr={low:0.0001,high:0.01,log:true}', or add "
            "+experiment=search, which has a space."
        )
    alike: dict[tuple[str, ...], dict[int, Job]] = {}
    for job in jobs:
        others = tuple(line for line in lines_of(job) if key_of(line) != "seed")
        alike.setdefault(others, {})[job.config.seed] = job
    highest = max(job.config.seed for job in jobs)
    fresh = range(highest + 1, highest + 1 + search.seeds)
    found: dict[str, Question] = {}
    names = Counter[str]()
    for by_seed in alike.values():
        first = next(iter(by_seed.values()))
        name = run_name(first.config, first.defaults).removesuffix(f"-s{first.config.seed}")
        names[name] += 1
        if names[name] > 1:  # files of one name in two folders
            name = f"{name} ({names[name]})"
        space = {key: each for key, each in domains.items() if has_key(first.config, key)}
        found[name] = Question(name, by_seed, space, fresh)
    questions = [*found.values()]
    _check(questions, domains)
    return questions


def lines_of(job: Job) -> list[str]:
    """Return the overrides of a job."""
    return [*job.composed.hydra.overrides.task]


def has_key(config: Config, key: str) -> bool:
    """Return whether a key changes the result of a config's model."""
    group, _, name = key.partition(".")
    if group != "model" and is_baseline(config.model):
        return key in OF_BASELINES and bool(keys_of(config.model))
    return name in decisive_keys(getattr(config, group))


def _changed(job: Job, values: Mapping[str, Any]) -> Job:
    """Return the job with other values of some keys.

    Raises:
        ConfigError: a value is not possible.
    """
    lines = [line for line in lines_of(job) if key_of(line) not in values]
    lines += [f"{key}={_written(value)}" for key, value in values.items()]
    (changed,) = composer_of(job.composed).jobs_of(job.composed, [lines])
    return changed


def _written(value: Any) -> str:
    """Return a value as an override has it."""
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str) and (
        not re.fullmatch(r"[a-zA-Z_]\w*", value) or value.lower() in ("true", "false", "null")
    ):
        return quoted(value)
    return str(value)


def _check(questions: Sequence[Question], domains: Mapping[str, Domain]) -> None:
    """Check that every searched key belongs to a model, and each of its values to the key."""
    config = questions[0].config
    known = {
        f"{group}.{name}"
        for each in questions
        for group in ("model", "optimizer", "protocol")
        for name in decisive_keys(getattr(each.config, group))
    }
    own_keys = {f"{each.group}.{name.name}" for each in SCHEMAS.values() for name in fields(each)}
    given = {key_of(line) for line in lines_of(questions[0].first)}
    for key in domains:
        # A preset may be narrowed to models that lack a key of its space.
        is_given = any(f"search.space.{key}".startswith(name) for name in given if name)
        if not any(key in each.space for each in questions) and (
            is_given or key not in own_keys or not any(each.space for each in questions)
        ):
            models = ", ".join(dict.fromkeys(name_of(each.config.model) for each in questions))
            raise ConfigError(
                f"search.space.{key} is not possible: no model of this search has that key "
                f"({models}).{suggestion(key, sorted(known - {key}))}"
            )
    if "model.hidden_size" in domains and config.protocol.parameters:
        raise ConfigError(
            "search.space.model.hidden_size is not possible with protocol.parameters, which "
            "chooses it: leave one out."
        )
    for key in domains:
        own = [each for each in questions if key in each.space]
        given = {line for each in own for line in lines_of(each.first) if key_of(line) == key}
        if len(given) > 1:
            raise ConfigError(f"{key} is both swept over and searched: leave one of them out.")
    if config.search.pruner != "none" and len(questions[0].jobs) < 2:
        raise ConfigError(
            f"search.pruner={config.search.pruner} compares trials seed by seed: sweep over "
            "several, such as seed=0,1,2."
        )
    checked = set()
    for each in questions:
        options = (each.config.model, each.config.optimizer, each.config.protocol)
        if (kind := (*each.space, *map(name_of, options))) not in checked:
            checked.add(kind)
            _check_values(each)


def _check_values(question: Question) -> None:
    """Check every value of a question's space, those of different keys together."""
    values = {
        key: domain.values if isinstance(domain, Choices) else (domain.low, domain.high)
        for key, domain in question.space.items()
    }
    for row in itertools.zip_longest(*values.values(), fillvalue=UNCHANGED):
        together = {
            key: value for key, value in zip(values, row, strict=True) if value is not UNCHANGED
        }
        if _refusal(question, together):
            for key, value in together.items():
                if reason := _refusal(question, {key: value}):
                    raise ConfigError(f"search.space.{key} is not possible. {reason}")


def _refusal(question: Question, values: Mapping[str, Any]) -> str:
    """Return why a trial with these values is not possible; "" if it is."""
    try:
        question.trial(values, [question.config.seed])
    except ConfigError as error:
        return str(error)
    return ""
