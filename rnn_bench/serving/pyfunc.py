"""A run's model behind MLflow's interface for Python models."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from rnn_bench.serving.classifier import TextClassifier
from rnn_bench.serving.trust import VARIABLE
from rnn_bench.tracking.model_folder import PROBABILITY, SETTINGS


class ServedClassifier(PythonModel):
    """Take a column `text`; return `label`, and `p_<class>` for each class."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model from the folder that MLflow keeps it in."""
        torch.set_num_threads(1)  # MLflow's server answers requests in parallel, a thread each
        trusted = [name for name in os.environ.get(VARIABLE, "").split(",") if name]
        self.classifier = TextClassifier.load(Path(context.artifacts[SETTINGS]).parent, trusted)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Classify the texts of a table.

        Raises:
            MlflowException: there are no texts, or one is not a string.
        """
        texts = model_input["text"].tolist()
        if not texts:
            raise MlflowException.invalid_parameter_value("There are no texts.")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                found = "null" if text is None or text != text else repr(text)
                raise MlflowException.invalid_parameter_value(
                    f"Text {number} is not a string: {found}"[:200]
                )
        probabilities = self.classifier.probabilities(texts)
        columns = [f"{PROBABILITY}{name}" for name in self.classifier.classes]
        answers = pd.DataFrame(probabilities.numpy(), columns=columns)
        if probabilities.isnan().any():  # of a diverged model; JSON has no NaN
            answers = answers.astype(object).where(answers.notna(), None)
        answers.insert(0, "label", self.classifier.labels(probabilities))
        return answers
