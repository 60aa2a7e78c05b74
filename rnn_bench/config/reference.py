"""Writes docs/configuration.md from the schemas and YAML files."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, cast, get_args, get_origin, get_type_hints

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from rnn_bench.config.composition import Composer, config_folder
from rnn_bench.config.options import Option
from rnn_bench.config.schema import GROUPS

SUCCESS, NOT_CURRENT, UNUSABLE = 0, 1, 2

HEAD = """\
# Configuration

Every key of a run's configuration. `make docs` writes this page from the schemas in \
`rnn_bench/config`, and `make lint` fails where it is not current.

`group=option` chooses an option and `key=value` sets a key. With `-m`, values between commas are \
swept over:

```sh
python -m rnn_bench --cfg job model=lstm optimizer=sgd
python -m rnn_bench -m model=gru model.hidden_size=64,128 optimizer.lr=0.001,0.003 plan=true
```

A key that is not there, a value of another type and a value out of range are refused before \
anything is loaded, with the name of the key that was meant. `null` is the empty value; a list is \
written `[a,b]`, a dictionary `{a:1,b:2}`. Options of your own are described in \
[CONTRIBUTING.md](../CONTRIBUTING.md).
"""
WORDS = {
    "dataset": "What is read.",
    "model": "What is compared.",
    "optimizer": "What turns gradients into steps. The classes are torch's.",
    "protocol": "Everything held equal between compared runs.",
    "evaluation": "What a trained model is evaluated on beside its test articles.",
}
TYPES = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    list: "list of",
    dict: "names with",
    int | float | str: "number, or text",
    Any: "",
}
LONGEST_DEFAULT = 120  # characters
FIRST = {"dataset": "demo", "model": "gru", "optimizer": "adam", "protocol": "fair"}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or check that it is current; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rnn_bench.config.reference",
        description="Write docs/configuration.md from the schemas.",
    )
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    arguments = parser.parse_args(argv)
    file = config_folder().parent / "docs" / "configuration.md"
    if not file.parent.is_dir():
        print("The documents are in a checkout, and this is not one.", file=sys.stderr)
        return UNUSABLE
    text = reference()
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return SUCCESS
    if arguments.check:
        print("docs/configuration.md is not current. Write it anew: make docs", file=sys.stderr)
        return NOT_CURRENT
    file.write_text(text, encoding="utf-8")
    print(file)
    return SUCCESS


def reference() -> str:
    """Return the whole page."""
    composer = Composer()
    defaults = composer.compose([])
    parts = [HEAD, "## The run\n", *_table("", [("", defaults)])]
    for group in (*GROUPS, "evaluation"):
        parts += [f"\n## {group}\n", WORDS[group]]
        for schema, options in _by_schema(composer, group).items():
            names = ", ".join(f"`{group}={name}`" for name, _ in options)
            parts += [f"\n### {names}\n", *_words(schema, WORDS[group]), *_table(group, options)]
    parts += ["\n## tracking\n", "Where runs are recorded.\n"]
    parts += _table("tracking", [("", defaults.tracking)])
    parts += ["\n## report\n", f"{_docstring(_schema(defaults.report))}\n"]
    parts += _table("report", [("", defaults.report)])
    parts += [
        "\n## search\n",
        f"{_docstring(_schema(defaults.search))} More: [protocols.md](protocols.md#a-search).\n",
        *_table("search", [("", defaults.search)]),
    ]
    launcher = composer.compose(["sweep_id=x"], RunMode.MULTIRUN).hydra.launcher
    parts += [
        "\n## hydra.launcher\n",
        f"{_docstring(_schema(launcher))} `hydra/launcher=slurm` and "
        "`hydra/launcher=ray_cluster` carry runs to other machines instead: "
        "[clusters.md](clusters.md).\n",
        *_table("hydra.launcher", [("", launcher)]),
    ]
    parts += ["\n## Presets\n", *_presets()]
    return "\n".join(parts).rstrip() + "\n"


def _by_schema(composer: Composer, group: str) -> dict[type[Option], list[tuple[str, DictConfig]]]:
    """Return the options of a group with their composed values, grouped by schema, the default
    first."""
    names = sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))
    names.sort(key=lambda name: name != FIRST.get(group))
    found: dict[type[Option], list[tuple[str, DictConfig]]] = {}
    for name in names:
        option = composer.compose([f"{group}={name}"])[group]
        found.setdefault(_schema(option), []).append((name, option))
    return found


def _schema(option: DictConfig) -> type[Option]:
    return cast(type[Option], OmegaConf.get_type(option))


def _docstring(schema: type[Option]) -> str:
    return " ".join((schema.__doc__ or "").split())


def _words(schema: type[Option], of_group: str) -> list[str]:
    """Return the schema's docstring, unless dataclass made it or it repeats the group's."""
    text = _docstring(schema)
    return [] if text.startswith((f"{schema.__name__}(", of_group)) else [f"{text}\n"]


def _table(group: str, options: Sequence[tuple[str, DictConfig]]) -> Iterator[str]:
    schema = _schema(options[0][1])
    hints = get_type_hints(schema)
    yield "| key | type | default | meaning | allowed |"
    yield "| --- | --- | --- | --- | --- |"
    for each in fields(schema):
        if "meaning" not in each.metadata:
            continue
        defaults = {name: _default(option, each.name) for name, option in options}
        shown = next(iter(defaults.values()))
        if len({*defaults.values()}) > 1:
            shown = ", ".join(f"{name}: {value}" for name, value in defaults.items())
        if len(shown) > LONGEST_DEFAULT:
            shown = "in its YAML file"
        cells = (
            f"`{group}.{each.name}`".replace("`.", "`"),
            _type(hints[each.name]),
            shown,
            each.metadata["meaning"],
            each.metadata["allowed"].text if each.metadata["allowed"] else "",
        )
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _type(hint: Any) -> str:
    arguments = get_args(hint)
    if NoneType in arguments:
        return f"{_type(arguments[0])}, or `null`"
    if arguments and arguments[-1] is Any:
        return f"{TYPES[get_origin(hint)]} values"
    if get_origin(hint) in (list, dict):
        text = f"{TYPES[get_origin(hint)]} {_type(arguments[-1])}s"
        return text.replace("texts", "names").replace("namess", "names")
    if is_dataclass(hint):
        return "name with value"
    return TYPES[hint]


def _default(option: DictConfig, name: str) -> str:
    """Return a key's default in words, with the source of an interpolation."""
    if OmegaConf.is_missing(option, name):
        return "none: it has to be given" if name != "sweep_id" else "a new one each time"
    if not OmegaConf.is_interpolation(option, name):
        value = option[name]
        plain = OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
        return f"`{_written(plain)}`"
    plain = cast(dict[str, Any], OmegaConf.to_container(option))
    raw = str(plain[name])
    if found := re.fullmatch(r"\$\{oc\.env:(\w+),(.*)\}", raw):
        other = "the user's cache folder" if found[2][0] == "$" else f"`{found[2]}`"
        return f"`${found[1]}`, else {other}"
    if found := re.fullmatch(r"\$\{oc\.select:([\w.]+)\.\$\{model\.name\},(.*)\}", raw):
        other = found[2].rpartition(",")[2].rstrip("}")
        return f"what `{found[1]}` has for the model, else `{other}`"
    if "cell_name" in raw:
        return "the cell's own name"
    if "last_part" in raw:
        return "the last part of the path"
    return "the train file's stem" if "file_stem" in raw else f"`{raw}`"


def _written(value: Any) -> str:
    """Return a value as it is written on a command line."""
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name}:{_written(each)}' for name, each in value.items())}}}"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _presets() -> Iterator[str]:
    """Yield a table of the keys that each preset sweeps over and sets."""
    yield "Whole sweeps. `group=option` and `key=value` narrow them.\n"
    yield "| `+experiment=` | what it is | sweeps over | sets |"
    yield "| --- | --- | --- | --- |"
    for path in sorted((config_folder() / "experiment").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        comment = " ".join(line[2:] for line in text.splitlines()[1:] if line.startswith("# "))
        preset = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.create(text)))
        swept = " ".join(
            f"`{key}={value}`" for key, value in preset["hydra"]["sweeper"]["params"].items()
        )
        chosen = [
            f"`{str(key).removeprefix('override /')}={value}`"
            for entry in preset.get("defaults", [])
            for key, value in entry.items()
        ]
        chosen += [
            f"`{group}.{key}={_written(value)}`"
            for group, keys in preset.items()
            if group not in ("defaults", "hydra")
            for key, value in keys.items()
        ]
        yield f"| `{path.stem}` | {comment} | {swept} | {' '.join(chosen)} |"


if __name__ == "__main__":
    sys.exit(main())
