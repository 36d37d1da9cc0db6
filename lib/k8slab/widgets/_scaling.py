"""Show how an autoscaler follows the load, while it is recorded."""

from __future__ import annotations

from ..core import given
from ..core.rendered import Rendered
from ..draw.scaling import draw
from ..record import Scaling
from .view import View


class ScalingView(View):
    """Load, use and Pods so far, along one time.

    Args:
        story: What is being recorded.
        title: What the picture is of.
        timeout: Seconds until it stops changing.
    """

    def __init__(self, story: Scaling, title: str, *, timeout: float) -> None:
        super().__init__(timeout=timeout)
        given.of_kind(
            story,
            Scaling,
            "that is no recording",
            wanted="what record.scaling gives its block",
            next='with record.scaling(ns, "shop", load="app=visitors") as story, '
            "widgets.scaling(story): ...",
        )
        title = given.text("title", title, "what the picture is of")
        self._story = story
        self._title = title

    def finish(self) -> None:
        """Look once more, so that the last picture shows how it ended."""
        self._story.look()

    def draw(self) -> Rendered:
        """Draw what was recorded so far."""
        return draw(self._story, self._title)
