"""Raw files of isot with all that its preparation must handle."""

from pathlib import Path

import pandas as pd
import pytest

TRUE = pd.DataFrame(
    {
        "title": [f"True title {i}" for i in range(10)],
        "text": [
            "WASHINGTON (Reuters) - The senate - again - voted.",
            *["Body, of 2 lines\nHere - it is."] * 9,
        ],
        "subject": "politics",
        "date": "today",
    }
)
FAKE = TRUE.assign(
    title=[f"Fake title {i}" for i in range(10)], text=["CITY - Not so."] + [" "] * 9
)


@pytest.fixture
def isot(tmp_path: Path) -> Path:
    folder = tmp_path / "isot" / "raw"
    folder.mkdir(parents=True)
    TRUE.to_csv(folder / "True.csv", index=False)
    FAKE.to_csv(folder / "Fake.csv", index=False)
    return tmp_path
