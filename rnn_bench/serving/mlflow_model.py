"""What MLflow runs to load a run's model; every run keeps a copy."""

from mlflow.models import set_model

from rnn_bench.serving.pyfunc import ServedClassifier

set_model(ServedClassifier())
