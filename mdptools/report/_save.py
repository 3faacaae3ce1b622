"""A page into a file.

Takes     a path and a page.
Gives     the path; nothing that is there is lost unasked.
Not here  the page (`_page`).
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ModelError


def save(path: str | os.PathLike[str], page: str, *, overwrite: bool = False) -> Path:
    """Write a page, or any text, into a file as UTF-8.

    Parameters
    ----------
    path : path
        Its folder must be there.
    page : str
    overwrite : bool
        Whether a file of that name may be replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ModelError
        If the file is there already, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Path(folder) / "page.html", "<!doctype html>").name
    'page.html'
    """
    where = Path(path)
    try:
        with where.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(page)
    except FileExistsError:
        raise ModelError(f"{where} is there already; pass overwrite=True to replace it.") from None
    except OSError as error:
        raise ModelError(f"{where} cannot be written: {error.strerror or error}.") from error
    return where
