"""A run's model as an MLflow model that takes raw text, in a folder of the run's artifacts.

MLflow's own `save_model` would run the model's code to check it, and give advice to the terminal.
"""

import json
import platform
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

import rnn_bench
from rnn_bench.config.options import decisive_keys, entry
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus

MODEL = "model"
CODE, SETTINGS, VOCABULARY, WEIGHTS = (
    "mlflow_model.py",
    "config.json",
    "vocabulary.json",
    "weights.safetensors",
)
PACKAGES = ("rnn_bench", "mlflow", "numpy", "safetensors", "torch")
# The protocol's keys that decide how an article is read.
READING_KEYS = ("name", "max_length", "readout", "batch_size")
PROBABILITY = "p_"


def write_model_folder(run_folder: Path, config: Config, corpus: EncodedCorpus) -> None:
    """Write `model/` beside the weights and the vocabulary that a run's artifact folder has."""
    folder = run_folder / MODEL
    folder.mkdir(exist_ok=True)
    for name in (WEIGHTS, VOCABULARY):
        shutil.copy(run_folder / name, folder)
    # Models-from-code: MLflow runs this file where it would else unpickle an object.
    shutil.copy(Path(rnn_bench.__file__).parent / "serving" / CODE, folder)
    protocol = asdict(config.protocol)
    settings = {
        "model": {"_target_": entry(config.model, "_target_"), **decisive_keys(config.model)},
        "protocol": {key: protocol[key] for key in READING_KEYS},
        "cleaning": corpus.content.cleaning,
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=1), encoding="utf-8")
    # A build of torch such as 2.6.0+cpu is not a version that an index knows.
    pins = [f"{package}=={version(package).partition('+')[0]}" for package in PACKAGES]
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n")
    environment = {
        "python": platform.python_version(),
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    (folder / "python_env.yaml").write_text(json.dumps(environment))  # JSON is YAML
    run_id = run_folder.parent.name
    described = Model(artifact_path=MODEL, run_id=run_id, signature=signature(corpus))
    described.add_flavor(
        "python_function",
        loader_module="mlflow.pyfunc.loaders.code_model",
        model_code_path=CODE,
        artifacts={name: {"path": name, "uri": name} for name in (SETTINGS, VOCABULARY, WEIGHTS)},
        env={"virtualenv": "python_env.yaml"},
        python_version=platform.python_version(),
    )
    described.save(folder / "MLmodel")


def signature(corpus: EncodedCorpus) -> ModelSignature:
    """A column of texts in; out a label, and the probability of each class as `p_<class>`."""
    probabilities = [ColSpec("double", f"{PROBABILITY}{name}") for name in corpus.classes]
    return ModelSignature(
        Schema([ColSpec("string", "text")]), Schema([ColSpec("string", "label"), *probabilities])
    )
