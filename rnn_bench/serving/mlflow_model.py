"""The code that MLflow runs to load a run's model. Each run's model folder has a copy."""

from mlflow.models import set_model

from rnn_bench.serving.pyfunc import ServedClassifier

set_model(ServedClassifier())
