"""Rows that a quotation mark hides, and texts that only look like it."""

import random
from pathlib import Path

import pytest

from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv
from rnn_bench.data.quotes import refuse_swallowed_rows


def check(path: Path, content: str, label: str = "label") -> None:
    path.write_text(content, encoding="utf-8", newline="")
    refuse_swallowed_rows(read_csv(path), path, label)


ROWS = [f"text number {i},{i % 2}" for i in range(40)]


def with_quotes_at(*places: int) -> str:
    rows = [f'"{row}' if place in places else row for place, row in enumerate(ROWS)]
    return "\n".join(["text,label", *rows, ""])


@pytest.mark.parametrize(("first", "last"), [(7, 8), (7, 9), (7, 30), (0, 39)])
def test_rows_between_two_texts_that_open_with_a_quotation_mark_are_missed(
    first: int, last: int, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        check(tmp_path / "t.csv", with_quotes_at(first, last))
    message = str(error.value)
    assert f"t.csv, from about line {first + 2} on" in message
    assert "a quotation mark is not closed" in message
    assert len(message.splitlines()) <= 6


def test_the_line_counts_the_line_breaks_of_texts_before_it(tmp_path: Path) -> None:
    before = '"one\ntwo\nthree",1\n' * 3
    content = with_quotes_at(7, 30).replace("text,label\n", f"text,label\n{before}")
    with pytest.raises(DataError, match="from about line 18 on"):
        check(tmp_path / "t.csv", content)


@pytest.mark.parametrize(
    "columns", ["label,text", "id,label,text,date", "text,id,label", "a,b,text,label"]
)
def test_rows_are_missed_wherever_the_label_stands(columns: str, tmp_path: Path) -> None:
    names = columns.split(",")
    rows = []
    for i in range(30):
        cells = {name: f"{name} {i}" for name in names} | {"label": "yn"[i % 2]}
        if i in (5, 12):
            cells["text"] = '"' + cells["text"]
        rows.append(",".join(cells.values()))
    with pytest.raises(DataError, match="a quotation mark is not closed"):
        check(tmp_path / "t.csv", "\n".join([columns, *rows, ""]))


def test_a_quotation_mark_at_the_end_of_a_later_text_closes_the_cell_too(tmp_path: Path) -> None:
    content = with_quotes_at(7).replace("text number 20,", 'text number 20",')
    with pytest.raises(DataError, match="13 rows or more"):
        check(tmp_path / "t.csv", content)


SOUND = {
    "texts of several lines": '"one, two\nthree, four\nfive",1\n"six\nseven",0\n',
    "numbers with a decimal comma": '"I give it 4,1\nand no more",1\nbad,0\n',
    "quotation marks that are doubled": '"""So,1""\nhe said\n""No,0""",1\nbad,0\n',
    "quotation marks in a text": 'he said "no" and left,1\n"Good" film,0\n',
    "a table of another form": '"a,b,c\nd,e,f\ng,h,i",1\nbad,0\n',
    "Windows line ends": '"one\r\ntwo\r\nthree",1\r\nbad,0\r\n',
}


@pytest.mark.parametrize("kind", SOUND)
def test_sound_texts_are_read(kind: str, tmp_path: Path) -> None:
    check(tmp_path / "t.csv", "text,label\n" + SOUND[kind] * 5)


def test_no_pair_of_stray_quotation_marks_loses_rows_in_silence(tmp_path: Path) -> None:
    chance = random.Random(0)
    for _ in range(40):
        with pytest.raises(DataError):
            check(tmp_path / "t.csv", with_quotes_at(*chance.sample(range(40), k=2)))
