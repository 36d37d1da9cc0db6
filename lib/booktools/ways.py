"""Lead readers through the book: which chapters, in which order, for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .notebooks import Chapter


@dataclass(frozen=True)
class Way:
    """One way through the book.

    Attributes:
        title: For whom it is, or what for.
        sentence: What one can do at its end.
        chapters: The names of its chapters, in order.
        pages: Pages to keep open beside them: the file and what it is called.
    """

    title: str
    sentence: str
    chapters: tuple[str, ...]
    pages: tuple[tuple[str, str], ...] = ()

    def of(self, chapters: Sequence[Chapter]) -> list[Chapter]:
        """Return its chapters, as far as the book has them, in its order."""
        known = {chapter.name: chapter for chapter in chapters}
        return [known[name] for name in self.chapters if name in known]

    def minutes(self, chapters: Sequence[Chapter]) -> int:
        """Return how long it takes, by what its chapters say of themselves."""
        return sum(c.minutes for c in self.of(chapters))


WAYS = (
    Way(
        "New to Kubernetes",
        "You run programs, reach them and keep their data, and you know which part "
        "of Kubernetes does what.",
        (
            "first-steps",
            "concepts",
            "pods-and-controllers",
            "deployments",
            "autoscaling",
            "service-access",
            "ingress-and-load-balancer",
            "static-pods-and-volumes",
            "persistent-storage",
            "architecture",
        ),
        (("glossary.md", "Glossary"),),
    ),
    Way(
        "On call",
        "You go from a symptom to its cause, on a workload and on a machine.",
        ("debugging-workloads", "debugging-clusters", "nodes", "service-access"),
        (("symptoms.md", "Symptoms"), ("runbook.md", "Runbook")),
    ),
    Way(
        "Installing",
        "You make a cluster of bare machines by hand, and you change its machines "
        "while it works.",
        ("install", "nodes", "architecture"),
        (("runbook.md", "Runbook"),),
    ),
    Way(
        "Programming against the API",
        "You do by HTTP and by Python what kubectl does.",
        ("first-steps", "rest-and-python-api"),
        (("reference.md", "Library"),),
    ),
)


def lines(chapters: Sequence[Chapter], pages: Sequence[str]) -> str:
    """Return the ways as Markdown: for each its minutes and links.

    Args:
        chapters: The chapters that the book has.
        pages: The files of the pages that the book has.
    """
    found = []
    for way in WAYS:
        parts = [
            f"[{c.title}](chapters/{c.path.name}) ({c.minutes})"
            for c in way.of(chapters)
        ]
        if not parts:
            continue
        beside = [f"[{name}]({file})" for file, name in way.pages if file in pages]
        also = f" Keep open: {', '.join(beside)}." if beside else ""
        found.append(
            f"- **{way.title}**, {way.minutes(chapters)} minutes. {way.sentence}\n"
            f"  {' → '.join(parts)}.{also}"
        )
    return "\n".join(found)
