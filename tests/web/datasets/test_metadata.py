"""Transcripts of every sort are read, or refused row by row with a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.datasets.metadata import Transcript, clean_text, parse


def rows(data: bytes | str) -> list[tuple[str, str]]:
    return [(row.id, row.text) for row in read(data).rows]


def read(data: bytes | str) -> Transcript:
    return parse(data.encode() if isinstance(data, str) else data, "metadata.csv")


def faults(data: bytes | str) -> list[tuple[str, str]]:
    return [(fault.name, fault.code) for fault in read(data).faults]


def test_two_columns() -> None:
    assert rows("0001|Good morning.\n0002|And you?\n") == [
        ("0001", "Good morning."),
        ("0002", "And you?"),
    ]


def test_of_three_columns_the_last_with_text_counts() -> None:
    assert rows("a|In 1999.|In nineteen ninety-nine.\nb|Only raw.|\nc|speaker|Hi.\n") == [
        ("a", "In nineteen ninety-nine."),
        ("b", "Only raw."),
        ("c", "Hi."),
    ]


def test_tabs_separate_where_there_are_no_bars() -> None:
    assert rows("a\tOne.\nb\tTwo.\n") == [("a", "One."), ("b", "Two.")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end(end: str) -> None:
    assert rows(f"a|One.{end}b|Two.{end}") == [("a", "One."), ("b", "Two.")]


def test_a_byte_order_mark_is_no_part_of_the_first_id() -> None:
    assert rows(b"\xef\xbb\xbfa|One.") == [("a", "One.")]


def test_unbalanced_quotes_are_text_and_merge_no_rows() -> None:
    assert rows('a|"One.\nb|Two "and" a half\nc|Three"\n') == [
        ("a", '"One.'),
        ("b", 'Two "and" a half'),
        ("c", 'Three"'),
    ]


def test_latin_1_is_read_and_said_so() -> None:
    found = read("a|Grüße, Señor \u2013 café.\nb|plain\n".encode("cp1252"))
    assert found.rows[0].text == "Grüße, Señor \u2013 café."
    assert len(found.warnings) == 1
    assert "line 1 was read as Latin-1" in found.warnings[0]


def test_one_bad_byte_does_not_garble_the_other_lines() -> None:
    assert rows("a|Grüße.\n".encode() + b"b|caf\xe9\n") == [("a", "Grüße."), ("b", "café")]


def test_utf_16_is_read_and_said_so() -> None:
    found = read("\ufeffa|Grüße.\nb|Two.".encode("utf-16-le"))
    assert [row.text for row in found.rows] == ["Grüße.", "Two."]
    assert "UTF-16" in found.warnings[0]


def test_nul_bytes_refuse_their_row_only() -> None:
    assert faults(b"a|O\x00ne.\nb|Two.\n") == [("a", "nul")]
    assert rows(b"a|O\x00ne.\nb|Two.\n") == [("b", "Two.")]


def test_header_lines_are_skipped() -> None:
    assert rows("id|text\na|One.") == [("a", "One.")]
    assert rows('"file_name"|speaker|"transcription"\na|x|One.') == [("a", "One.")]
    assert rows("a|One.\nid|text") == [("a", "One."), ("id", "text")]


@pytest.mark.parametrize("empty", [b"", b"\n\r\n  \n", b"\xef\xbb\xbf", b"id|text\n"])
def test_an_empty_file_has_no_rows_and_no_faults(empty: bytes) -> None:
    found = read(empty)
    assert (found.rows, found.faults) == ([], [])


def test_a_repeated_id_is_refused_and_names_the_line_that_was_taken() -> None:
    found = read("a|One.\nb|Two.\na|Another.\n")
    assert [row.text for row in found.rows] == ["One.", "Two."]
    assert found.faults[0].code == "duplicate_id"
    assert "line 3" in found.faults[0].reason and "line 1" in found.faults[0].reason


def test_a_wrong_count_of_columns_is_refused() -> None:
    assert faults("a|b|c|d\njust text\na, with a comma\n") == [
        ("a", "columns"),
        ("metadata.csv, line 2", "columns"),
        ("metadata.csv, line 3", "columns"),
    ]


def test_rows_without_text_or_id_are_refused() -> None:
    assert faults("a|\nb|  \n|One.\nc||\n") == [
        ("a", "no_text"),
        ("b", "no_text"),
        ("metadata.csv, line 3", "no_id"),
        ("c", "no_text"),
    ]


def test_an_endless_text_is_refused() -> None:
    assert faults("a|" + "word " * 1000) == [("a", "text_too_long")]


def test_control_characters_become_spaces_and_text_is_composed() -> None:
    assert rows("a|One\x07two\u0085three  four") == [("a", "One two three four")]
    assert rows("a|Cafe\u0301") == [("a", "Caf\u00e9")]


def test_only_cr_and_lf_end_a_line() -> None:
    assert rows("a|One\u2028two\x0bthree") == [("a", "One two three")]


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    for row in read(data).rows:
        assert row.id and row.text
        assert not set("\x00\r\n") & set(row.id + row.text)


cells = st.text(
    st.characters(codec="utf-8", exclude_characters="|\t", exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=40,
).filter(lambda text: clean_text(text) == text)


@given(st.lists(st.tuples(cells, cells), unique_by=lambda row: row[0], max_size=20))
def test_what_is_written_is_read(table: list[tuple[str, str]]) -> None:
    data = "id|text\n" + "".join(f"{name}|{text}\n" for name, text in table)
    assert rows(data) == table


def test_comma_separated_values_are_told_what_separates() -> None:
    found = parse(b"a,Hello there.\n", "metadata.csv")
    assert "Commas separate nothing" in found.faults[0].reason
