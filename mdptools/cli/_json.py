"""JSON that every reader accepts.

Takes     dictionaries, lists and numbers.
Gives     text without NaN or Infinity, which JSON does not have.
Not here  which numbers (the commands).
"""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(result: dict[str, Any]) -> str:
    """One object, each of its entries on a line of its own.

    Parameters
    ----------
    result : dict

    Returns
    -------
    str
        Infinities are the strings "inf" and "-inf", nan is null.

    Examples
    --------
    >>> print(dumps({"schema": 1, "V": [0.5, float("-inf"), float("nan")]}))
    {
      "schema": 1,
      "V": [0.5, "-inf", null]
    }
    """
    entries = (
        f"  {json.dumps(key)}: {json.dumps(_plain(value), allow_nan=False)}"
        for key, value in result.items()
    )
    return "{\n" + ",\n".join(entries) + "\n}"


def _plain(value: Any) -> Any:
    match value:
        case float() if math.isnan(value):
            return None
        case float() if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
