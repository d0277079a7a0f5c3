"""Series as a file for spreadsheets."""

from __future__ import annotations

import csv
import io

from serflab.lab.series_csv import series_csv


def test_a_row_for_each_moment_with_an_empty_cell_for_a_gap() -> None:
    text = series_csv([0, 5], {"emulated_node": [1.5, None], "real_node": [2.0, 0.0]})
    assert text == "time,emulated_node,real_node\r\n1970-01-01T00:00:00Z,1.5,2.0\r\n1970-01-01T00:00:05Z,,0.0\r\n"


def test_a_name_with_a_comma_stays_one_column() -> None:
    rows = list(csv.reader(io.StringIO(series_csv([0], {'a,"b': [1.0]}))))
    assert rows == [["time", 'a,"b'], ["1970-01-01T00:00:00Z", "1.0"]]
