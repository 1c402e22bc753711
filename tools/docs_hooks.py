"""A hook of mkdocs: docstrings name things by role (``:class:`~package.Name```), pages show the plain name."""

from __future__ import annotations

import re
from typing import Any

_ROLE = re.compile(r":(?:class|func|mod|data|meth|attr):<code>(~?)([\w.]+)</code>")


def on_page_content(html: str, **_: Any) -> str:  # noqa: ANN401 - mkdocs' own objects
    """Replace roles by their names."""
    return _ROLE.sub(lambda m: f"<code>{m[2].rsplit('.', 1)[-1] if m[1] else m[2]}</code>", html)
