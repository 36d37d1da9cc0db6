"""A matrix of counts: the same facts as text and as a drawing."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

from k8slab import show

COUNTS = {
    "container ends": {"none": 0, "emptyDir": 1},
    "Pod <ends>": {"none": 0, "emptyDir": 3},
}


def words(svg: str) -> list[str]:
    """Return the texts of a drawing."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own
    return [each.text or "" for each in root.iter() if each.tag.endswith("}text")]


def test_a_matrix_holds_every_count() -> None:
    """Each count stands in its row and column, with a mark for lost or kept."""
    drawn = show.matrix(COUNTS, "What is left")

    assert drawn.text.splitlines() == [
        "What is left",
        "                none      emptyDir",
        "container ends  ✘ 0 rows  ✔ 1 row",
        "Pod <ends>      ✘ 0 rows  ✔ 3 rows",
    ]
    assert words(drawn.html) == [
        *("What is left", "none", "emptyDir"),
        *("container ends", "✘ 0 rows", "✔ 1 row"),
        *("Pod <ends>", "✘ 0 rows", "✔ 3 rows"),
    ]


def test_what_is_lost_can_be_told_without_colour() -> None:
    """A count of zero has a dashed frame, and no other has."""
    drawn = show.matrix(COUNTS, "What is left")

    assert drawn.html.count("stroke-dasharray") == 2
    assert drawn.html.count("<rect") == 4


def test_cells_stay_inside_the_drawing() -> None:
    """The drawing grows with its columns and rows."""
    drawn = show.matrix({"end": dict.fromkeys("abcd", 1)}, "Wide", unit="file")
    root = ElementTree.fromstring(drawn.html)  # noqa: S314 - our own
    width = float(root.attrib["viewBox"].split()[2])
    rects = [each.attrib for each in root.iter() if each.tag.endswith("}rect")]

    assert len(rects) == 4
    assert all(float(r["x"]) + float(r["width"]) <= width for r in rects)
    assert "✔ 1 file" in words(drawn.html)


def test_a_counter_knows_every_column() -> None:
    """It answers 0 for what it has not counted."""
    drawn = show.matrix({"v1": Counter(a=3, b=1), "v2": Counter(a=2)}, "Versions")

    assert drawn.text.splitlines()[-1].split() == [
        "v2",
        "✔",
        "2",
        "rows",
        "✘",
        "0",
        "rows",
    ]


def test_a_matrix_of_nothing_is_a_picture() -> None:
    """No row is no error."""
    assert show.matrix({}, "Nothing").text.splitlines() == ["Nothing"]


def test_a_matrix_takes_the_colour_of_the_page() -> None:
    """Words do; the two tones of the cells suit both grounds."""
    drawn = show.matrix(COUNTS, "What is left")
    svg = drawn.html.replace("http://www.w3.org/2000/svg", "")

    assert set(re.findall(r"#[0-9a-f]{6}", svg)) == {"#3f8fd2", "#d9534f"}
    assert "currentColor" in svg
    assert drawn._repr_mimebundle_()["text/plain"] == drawn.text
