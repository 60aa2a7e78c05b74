"""The HTTP server's request and answer bodies, in the forms of MLflow's scoring protocol."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
Texts = Annotated[list[StrictStr], Field(min_length=1)]
TEXTS = TypeAdapter(Texts)


class TextRow(BaseModel):
    """A row of a table. Other columns are ignored."""

    text: str


class TextColumn(BaseModel):
    """A table by columns. Other columns are ignored."""

    text: list[str] | str


class SplitTable(BaseModel):
    """A table as pandas writes it with `orient="split"`. Columns other than `text` are ignored."""

    columns: list[str] = Field(examples=[["text"]])
    data: list[list[Any]] = Field(examples=[[["a first text"], ["a second text"]]])


def texts_of_rows(rows: Any) -> Any:
    """Return the column `text` of a list of objects; leave anything else for pydantic to refuse.

    Raises:
        ValueError: an element is not an object with a `text`.
    """
    if not isinstance(rows, list):
        return rows
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or "text" not in row:
            raise ValueError(f'row {number} is not an object with a "text"')
    return [row["text"] for row in rows]


def texts_of_values(values: Any) -> Any:
    """Return the texts of `inputs` or `instances`: strings, rows, or a table by columns."""
    if isinstance(values, dict) and "text" in values:
        column = values["text"]
        return column if isinstance(column, list) else [column]
    if isinstance(values, list) and any(isinstance(value, dict) for value in values):
        return texts_of_rows(values)
    return values


def texts_of_split(table: Any) -> Any:
    """Return the column `text` of a table in columns and data.

    Raises:
        ValueError: there is no such column, or a row has more or fewer cells than columns.
    """
    match table:
        case {"columns": list() as columns, "data": list() as rows} if "text" in columns:
            for number, row in enumerate(rows):
                if not isinstance(row, list) or len(row) != len(columns):
                    raise ValueError(f'row {number} of "data" must be a list as long as "columns"')
            position = columns.index("text")
            return [row[position] for row in rows]
    raise ValueError('it needs "columns", one of them "text", and "data", a list of rows')


Values = Annotated[
    Texts,
    BeforeValidator(texts_of_values, json_schema_input_type=list[str] | list[TextRow] | TextColumn),
]


class InvocationRequest(BaseModel):
    """Texts to classify, in exactly one of four forms."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [form]} for form in FORMS],
            "examples": [{"inputs": ["a first text", "a second text"]}],
        }
    )

    inputs: Values = Field(default_factory=list)
    instances: Values = Field(default_factory=list)
    dataframe_split: Annotated[
        Texts, BeforeValidator(texts_of_split, json_schema_input_type=SplitTable)
    ] = Field(default_factory=list)
    dataframe_records: Annotated[
        Texts, BeforeValidator(texts_of_rows, json_schema_input_type=list[TextRow])
    ] = Field(default_factory=list)

    @model_validator(mode="after")
    def require_one_form(self) -> "InvocationRequest":
        """
        Raises:
            ValueError: there is none of the forms, or more than one.
        """
        if len(self.model_fields_set) != 1:
            raise ValueError(f"the body must have exactly one of: {', '.join(FORMS)}")
        return self

    @property
    def texts(self) -> list[str]:
        """The texts, in order, whatever their form."""
        return [*self.inputs, *self.instances, *self.dataframe_split, *self.dataframe_records]


class Prediction(BaseModel):
    """The most probable class of a text, and the probability of each class as `p_<class>`.

    Probabilities are null where the model diverged in training.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"examples": [{"label": "real", "p_fake": 0.25, "p_real": 0.75}]},
    )
    __pydantic_extra__: dict[str, float | None]

    label: str


class InvocationAnswer(BaseModel):
    """A prediction for each text, in the order of the request."""

    predictions: list[Prediction]


class ErrorAnswer(BaseModel):
    """Why a request was refused."""

    error_code: str = Field(examples=["BAD_REQUEST"])
    message: str = Field(examples=["inputs.1: Input should be a valid string"])


def reason(error: ValidationError) -> str:
    """Return where the first fault of a body is, and what is wrong there."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
