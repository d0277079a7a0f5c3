"""Series as comma-separated values, for spreadsheets and notebooks."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def series_csv(timestamps: Iterable[int], values: Mapping[str, Sequence[float | None]]) -> str:
    """Return one row for each moment: ISO 8601 time in UTC, then each series' value, an empty cell for a gap.

    The first row is the header `time,NAME…`. Lines end as RFC 4180 says, with CR LF.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("time", *values))
    for row in zip(timestamps, *values.values(), strict=True):
        writer.writerow((datetime.fromtimestamp(row[0], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), *row[1:]))
    return text.getvalue()
