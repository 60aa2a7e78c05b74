"""Compute hashes of settings, of prepared articles, and of the code of a user's own classes."""

import ast
import functools
import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

from rnn_bench.data.corpus import Articles

VERSIONED = ("rnn_bench", "torch")


def digest(value: Any) -> str:
    """Return a hash of a value that JSON can write, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def content_fingerprint(articles: Articles) -> str:
    """Return a hash of the texts, labels and classes in order."""
    content = hashlib.sha256(json.dumps(articles.classes).encode())
    splits = [articles.train, articles.test, *filter(None, [articles.validation])]
    for texts, labels in splits:
        for text, label in zip(texts, labels, strict=True):
            content.update(f"\n{label} {len(text)} ".encode())
            content.update(text.encode("utf-8", "surrogatepass"))
        content.update(b"\n--")
    return content.hexdigest()[:32]


def code_hash(target: Any) -> str:
    """Return a hash of the code of the module that defines a class or function.

    Comments, docstrings and layout do not change it, and neither does editing the module while a
    process runs. The hash is "" for what rnn_bench and torch define, whose results have versions
    of their own, and for what has no Python source.
    """
    try:
        file = Path(inspect.getsourcefile(target) or "")
    except (TypeError, OSError):  # built in, or typed in at a prompt
        return ""
    if target.__module__.partition(".")[0] in VERSIONED or not file.is_file():
        return ""
    return _module_hash(file)


@functools.cache
def _module_hash(file: Path) -> str:
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        with_docstring = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, with_docstring) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return digest(ast.unparse(tree))
