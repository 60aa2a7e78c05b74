"""The MLflow model of a run, which predicts raw text, in a folder of the run's artifacts.

The folder is written here, because MLflow's `save_model` runs the model's code to check it, and
prints advice to the terminal.
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
from rnn_bench.tracking import schema

CODE, SETTINGS = "mlflow_model.py", "config.json"
PACKAGES = (
    "rnn_bench",
    "mlflow",
    "numpy",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "torch",
)
# The protocol's keys that decide how an article is predicted.
PREDICTION_KEYS = (
    *("name", "tokens", "max_length", "truncation", "readout", "batch_size", "precision"),
)
PROBABILITY = "p_"  # + class: the columns of the output


def write_model_folder(run_folder: Path, config: Config, corpus: EncodedCorpus) -> None:
    """Write `model/` into the artifact folder of a run, which has its weights and vocabulary."""
    folder = run_folder / schema.MODEL_FOLDER
    folder.mkdir(exist_ok=True)
    for name in (schema.WEIGHTS_FILE, schema.VOCABULARY_FILE):
        shutil.copy(run_folder / name, folder)
    # MLflow's "models from code": it runs this file instead of unpickling an object.
    shutil.copy(Path(rnn_bench.__file__).parent / "serving" / CODE, folder)
    protocol = asdict(config.protocol)
    settings = {
        "model": {"_target_": entry(config.model, "_target_"), **decisive_keys(config.model)},
        "protocol": {key: protocol[key] for key in PREDICTION_KEYS},
        "cleaning": corpus.content.cleaning,
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=1), encoding="utf-8")
    # No package index has a local version such as torch's 2.6.0+cpu.
    pins = [f"{package}=={version(package).partition('+')[0]}" for package in PACKAGES]
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n")
    environment = {
        "python": platform.python_version(),
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    (folder / "python_env.yaml").write_text(json.dumps(environment))  # JSON is YAML
    run_id = run_folder.parent.name
    model = Model(artifact_path=schema.MODEL_FOLDER, run_id=run_id, signature=signature(corpus))
    files = (SETTINGS, schema.VOCABULARY_FILE, schema.WEIGHTS_FILE)
    model.add_flavor(
        "python_function",
        loader_module="mlflow.pyfunc.loaders.code_model",
        model_code_path=CODE,
        artifacts={name: {"path": name, "uri": name} for name in files},
        env={"virtualenv": "python_env.yaml"},
        python_version=platform.python_version(),
    )
    model.save(folder / "MLmodel")


def signature(corpus: EncodedCorpus) -> ModelSignature:
    """Return the model's columns: `text` in; `label` and `p_<class>`, the probabilities, out."""
    probabilities = [ColSpec("double", f"{PROBABILITY}{name}") for name in corpus.classes]
    return ModelSignature(
        Schema([ColSpec("string", "text")]), Schema([ColSpec("string", "label"), *probabilities])
    )
