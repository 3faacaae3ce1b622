"""JSON that every reader accepts.

Takes     dictionaries, lists, arrays and numbers.
Gives     text without NaN or Infinity, which JSON does not have.
Not here  which numbers (the commands), results as they are (report).
"""

from ..arrays import json_text as dumps

__all__ = ["dumps"]
