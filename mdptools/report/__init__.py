"""Reports: a model or a verification as one HTML file, any result as JSON.

Takes     a model, and results about it.
Gives     a page that loads nothing and runs nothing: text, tables, pictures, certificates, and how
          all of it was made; dictionaries that JSON can hold, with a schema number.
Not here  what is shown: the numbers come from other rooms, the pictures from plots.
"""

from ._contents import CONTENTS
from ._json import dumps, to_json
from ._page import page
from ._save import save

__all__ = ["CONTENTS", "dumps", "page", "save", "to_json"]
