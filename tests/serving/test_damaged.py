"""A model whose files are damaged is refused, and the refusal names the run and the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import Command
from tests.serving.conftest import CSV, TINY, Trained, model_of

SWEEPS = (("model=gru", *CSV, *TINY),)
WEIGHTS, SETTINGS, VOCABULARY = "weights.safetensors", "config.json", "vocabulary.json"
Damage = Callable[[Path], object]


def write(text: str) -> Damage:
    return lambda file: file.write_text(text)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def change_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(file: Path) -> None:
        weights = load_file(file)
        change(weights)
        save_file({name: value.contiguous() for name, value in weights.items()}, file)

    return damage


def change_settings(**groups: object) -> Damage:
    """Change the settings: a dictionary's keys are added to the group, anything else replaces
    it."""

    def damage(file: Path) -> None:
        found = json.loads(file.read_text())
        for name, value in groups.items():
            found[name] = {**found[name], **value} if isinstance(value, dict) else value
        file.write_text(json.dumps(found))

    return damage


def without(group: str, key: str = "") -> Damage:
    def damage(file: Path) -> None:
        found = json.loads(file.read_text())
        if key:
            del found[group][key]
        else:
            del found[group]
        file.write_text(json.dumps(found))

    return damage


def add_word(file: Path) -> None:
    found = json.loads(file.read_text())
    found["words"].append("more")
    file.write_text(json.dumps(found))


DAMAGES: list[tuple[str, str, Damage]] = [
    (WEIGHTS, "empty", write("")),
    (WEIGHTS, "truncated", truncate),
    (WEIGHTS, "missing", Path.unlink),
    (WEIGHTS, "text", write("no weights " * 50)),
    (WEIGHTS, "a folder", make_folder),
    (
        WEIGHTS,
        "of another shape",
        change_weights(lambda w: w.update({"output.bias": torch.zeros(7)})),
    ),
    (WEIGHTS, "one lacks", change_weights(lambda w: w.pop("output.bias"))),
    (WEIGHTS, "one too many", change_weights(lambda w: w.update({"more": torch.zeros(1)}))),
    *(
        (file, name, write(text))
        for file in (SETTINGS, VOCABULARY)
        for name, text in {
            "{}": "{}",
            "[]": "[]",
            "empty": "",
            "cut": '{"words": ["a',
            "null": "null",
        }.items()
    ),
    (SETTINGS, "latin", lambda file: file.write_bytes(b'{"model": "\xfc"}')),
    (VOCABULARY, "latin", lambda file: file.write_bytes(b'{"words": ["\xfc"]}')),
    (SETTINGS, "deep", write("[" * 100_000)),
    (SETTINGS, "missing", Path.unlink),
    (VOCABULARY, "missing", Path.unlink),
    (VOCABULARY, "numbers", write('{"words": [1, 2], "classes": ["a", "b"]}')),
    (VOCABULARY, "no words", write('{"words": [], "classes": ["a", "b"]}')),
    (VOCABULARY, "no classes", write('{"words": ["", "?", "a"], "classes": []}')),
    (VOCABULARY, "one word more", add_word),
    (SETTINGS, "no cleaning", without("cleaning")),
    (SETTINGS, "no target", without("model", "_target_")),
    (SETTINGS, "no cell", without("model", "cell")),
    (SETTINGS, "no readout", without("protocol", "readout")),
    (SETTINGS, "unknown cleaning", change_settings(cleaning="polish")),
    (SETTINGS, "unknown cell", change_settings(model={"cell": "gur"})),
    (SETTINGS, "cell is a number", change_settings(model={"cell": 7})),
    (SETTINGS, "unknown key", change_settings(model={"depth": 3})),
    (SETTINGS, "size is a word", change_settings(model={"hidden_size": "large"})),
    (SETTINGS, "size is negative", change_settings(model={"hidden_size": -1})),
    (SETTINGS, "size is another", change_settings(model={"hidden_size": 7})),
    (SETTINGS, "size is huge", change_settings(model={"hidden_size": 10**15})),
    (SETTINGS, "too many layers", change_settings(model={"num_layers": 10**6})),
    (SETTINGS, "no layers", change_settings(model={"num_layers": 0})),
    (SETTINGS, "model is a list", change_settings(model=[1])),
    (SETTINGS, "batches of none", change_settings(protocol={"batch_size": 0})),
    (SETTINGS, "unknown readout", change_settings(protocol={"readout": "all"})),
    (SETTINGS, "length is a word", change_settings(protocol={"max_length": "long"})),
    (SETTINGS, "length is a fraction", change_settings(protocol={"max_length": 1.5})),
    (SETTINGS, "protocol is null", change_settings(protocol=None)),
]


@pytest.mark.parametrize(
    ("file", "damage"),
    [(file, damage) for file, _, damage in DAMAGES],
    ids=[f"{file}-{name}" for file, name, _ in DAMAGES],
)
def test_a_damaged_model_is_refused_by_run_and_file(
    file: str, damage: Damage, there: Trained, serving: Command, tmp_path: Path
) -> None:
    run = there.run(model="gru")
    model = model_of(run)
    kept = Path(shutil.copytree(model, tmp_path / "kept"))
    try:
        damage(model / file)
        answer = serving("predict", run.info.run_id, "hello")
    finally:
        shutil.rmtree(model)
        shutil.copytree(kept, model)
    assert (answer.status, answer.out) == (2, "")
    assert run.info.run_id in answer.err
    assert file in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert "Traceback" not in answer.err
