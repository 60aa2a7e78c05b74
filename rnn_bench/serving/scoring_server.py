"""Where MLflow's scoring server falls short of what a text classifier needs, mended in its process.

Of itself it makes numpy strings of `inputs` and `instances`, which turns null into the text "None"
and gives every text the room of the longest; and it answers some bad requests with plain text,
some with its own stack trace, and one without a content type with status 500.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from mlflow.exceptions import MlflowException

SCORING_SERVER = "mlflow.pyfunc.scoring_server"
UNSUPPORTED = 415


def mend_scoring_server() -> None:
    """If this process is a scoring server, let it take JSON texts as they are, and give every
    refusal a reason in JSON, status 400 or 415, and no stack trace."""
    server: Any = sys.modules.get(SCORING_SERVER)
    if server is None or getattr(server.invocations, "is_mended", False):
        return
    server.infer_and_parse_data = taking_texts(server.infer_and_parse_data)
    server.invocations = refusing_in_json(server.invocations)


def taking_texts(parse: Callable[..., Any]) -> Callable[..., Any]:
    def infer_and_parse_data(data: dict[str, Any], schema: Any = None) -> Any:
        return parse(in_rows(data), schema)

    return infer_and_parse_data


def in_rows(data: dict[str, Any]) -> dict[str, Any]:
    """`inputs` or `instances`, texts or columns or objects, as a table."""
    if len(data) != 1 or not (given := data.keys() & {"inputs", "instances"}):
        return data
    values = data[given.pop()]
    if isinstance(values, dict) and "text" in values:
        values = values["text"] if isinstance(values["text"], list) else [values["text"]]
    if not isinstance(values, list):
        return data
    if any(isinstance(value, dict) for value in values):
        return {"dataframe_records": values}
    return {"dataframe_split": {"columns": ["text"], "data": [[value] for value in values]}}


def refusing_in_json(answer: Callable[..., Any]) -> Callable[..., Any]:
    def invocations(data: bytes, content_type: str | None, model: Any, input_schema: Any) -> Any:
        try:
            response = answer(data, content_type or "", model, input_schema)
        except MlflowException as error:
            error.json_kwargs.pop("stack_trace", None)
            raise
        except Exception as error:
            raise MlflowException.invalid_parameter_value(
                f"The request cannot be read: {type(error).__name__}: {error}"
            ) from error
        if response.status == UNSUPPORTED:
            reason = {"error_code": "UNSUPPORTED_MEDIA_TYPE", "message": response.response}
            return response._replace(response=json.dumps(reason), mimetype="application/json")
        return response

    invocations.is_mended = True  # type: ignore[attr-defined]
    return invocations
