"""Put one picture into a cell's output, change it there, and leave it as it is last."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display
from ipywidgets import HTML

from ..core.rendered import Rendered


class Screen:
    """One place in a cell's output; a widget while it changes, plain HTML afterwards.

    So JupyterLab shows every change, the notebook's file keeps the last picture, and
    that one needs neither a kernel nor a script to be seen.

    Args:
        first: The first picture.
    """

    def __init__(self, first: Rendered) -> None:
        self._widget: Any = None
        self._handle: Any = None
        if get_ipython() is None:  # a program has no cell; it gets the last picture
            return
        self._widget = HTML(first.html)
        bundle = {**self._widget._repr_mimebundle_(), **_bundle(first)}
        show: Any = display  # it has no types
        self._handle = show(bundle, raw=True, display_id=True)

    def show(self, picture: Rendered) -> None:
        """Show a picture in place of the one before; the same one costs nothing."""
        if self._widget is not None and self._widget.value != picture.html:
            self._widget.value = picture.html

    def leave(self, picture: Rendered) -> None:
        """Show the last picture, which stays."""
        if self._widget is None:
            print(picture.text)
            return
        if self._handle is not None:
            self._handle.update(_bundle(picture), raw=True)
        self._widget.close()


def _bundle(picture: Rendered) -> dict[str, str]:
    return {"text/plain": picture.text, "text/html": picture.html}
