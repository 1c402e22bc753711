"""Bad input is named: the file's as an error, a row's as its reason."""

import pytest

from drivetrain.errors import BadInputError, FileError
from drivetrain.measure.table import Raw, parse, read

NEEDED = ("row_id", "n", ("a", "b"))


def table(text, required=NEEDED):
    return parse(text, required, "row_id", "x.csv")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("row_id,n\n1,2\n", "missing column a or b"),
        ("id,b\n1,2\n", "missing columns row_id, n"),
        ("row_id,n,n,a\n", "column n given twice"),
        ('row_id,n,a\n1,2,"open\n', "not CSV"),
        ('row_id,n,a\n1,2,"x"y\n', "not CSV"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole(text, says):
    with pytest.raises(FileError) as error:
        table(text)
    assert says in str(error.value)
    assert error.value.exit_code == 2


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path, tmp_path / "absent.csv"):
        with pytest.raises(FileError):
            read(path, NEEDED)
    binary = tmp_path / "x.csv"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(FileError, match="UTF-8"):
        read(binary, NEEDED)


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("\ufeffrow_id,n,a\n\n1,2,3\n , ,\n", encoding="utf-8")
    assert [row.row_id for row in read(path, NEEDED).rows] == ["1"]


def test_rows_with_problems_are_kept_and_named():
    rows = table("row_id,n,a\nx,1,2\nx,1,2\n,1,2\ny,1\n").rows
    assert [row.row_id for row in rows] == ["x", "x", "line 4", "y"]
    assert [row.problem for row in rows] == [
        "", "row_id stands twice, first on line 2.", "row_id is blank.", "2 cells, the header has 3.",
    ]  # fmt: skip


def test_rows_without_an_id_column_are_named_by_line():
    rows = table("n,a\n1,2\n3,4\n", ("n",)).rows
    assert [(row.row_id, row.problem) for row in rows] == [("line 2", ""), ("line 3", "")]


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "ten", "1e400"])
def test_numbers_that_are_none(text):
    with pytest.raises(BadInputError):
        Raw("x", 2, {"n": text}).number("n")


def test_numbers_flags_and_blanks():
    raw = Raw("x", 2, {"n": " 8.0 ", "m": "", "yes": "True", "no": "0.0", "odd": "maybe", "half": "1.5", "zero": "0"})
    assert raw.number("m", "n") == 8.0
    assert raw.whole("n") == 8
    assert raw.number("m") is None
    assert raw.text("absent") == ""
    assert (raw.flag("yes"), raw.flag("no"), raw.flag("m")) == (True, False, None)
    for bad in (
        lambda: raw.flag("odd"), lambda: raw.whole("half"), lambda: raw.need("m"), lambda: raw.need("zero"),
        lambda: raw.need("half", 2.0),
    ):  # fmt: skip
        with pytest.raises(BadInputError):
            bad()
