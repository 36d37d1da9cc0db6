"""Charts of requests: the same facts as text and as a drawing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from k8slab import show
from k8slab.core.marks import Mark
from k8slab.probe._series import Request, Requests

ANSWERED = [("echo-a", 0.0), ("echo-b", 0.5), ("echo-a", 1.0), ("", 1.5)]


def record() -> Requests:
    """Return four requests to two Pods, the last of which nobody answered."""
    sent = tuple(
        Request(at_s, pod, "" if pod else "connection refused", 1.0)
        for pod, at_s in ANSWERED
    )
    return Requests(sent, (Mark(1.2, "Pod <a> deleted"),))


def words(svg: str) -> list[str]:
    """Return the texts of a drawing."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own
    return [each.text or "" for each in root.iter() if each.tag.endswith("}text")]


def test_bars_hold_every_count() -> None:
    """Each Pod has a line and a bar as long as its count, failures have their own."""
    drawn = show.bars(record(), title="Who answered")

    assert drawn.text.splitlines() == [
        "Who answered",
        f"echo-a     2  {'█' * 30}",
        f"echo-b     1  {'█' * 15}",
        f"no answer  1  {'█' * 15}",
    ]
    assert words(drawn.html) == [
        "Who answered",
        *("echo-a", "2", "echo-b", "1", "✘ no answer", "1"),
    ]


def test_bars_are_as_long_as_their_counts() -> None:
    """Half the count is half the length, and one request can still be seen."""
    drawn = show.bars({"a": 1000, "b": 500, "c": 1, "d": 0})
    wide = [int(each) for each in re.findall(r'<rect [^>]*width="(\d+)"', drawn.html)]

    assert wide[0] == 2 * wide[1]
    assert (wide[2], wide[3]) == (2, 0)
    assert drawn.text.splitlines()[3:] == ["c     1  █", "d     0"]


def test_no_failures_have_no_bar() -> None:
    """What did not happen takes no room."""
    assert "no answer" not in show.bars({"echo-a": 3}).text


def test_arrivals_hold_every_request_and_mark() -> None:
    """A dot for each answer, a cross for each failure, a line for what happened."""
    drawn = show.requests(record(), title="One Pod deleted")
    lines = drawn.text.splitlines()

    assert drawn.html.count("<circle") == 3
    assert drawn.html.count('stroke-width="2"') == 1
    assert [line.split()[0] for line in lines[1:4]] == ["echo-a", "echo-b", "no"]
    assert [line.count("█") + line.count("✘") for line in lines[1:4]] == [2, 1, 1]
    assert lines[-2:] == [
        "1.20 s  Pod <a> deleted",
        "4 requests, 1 not answered: 1 connection refused",
    ]
    assert "Pod <a> deleted (1.20 s)" in words(drawn.html)


def test_arrivals_of_nothing_are_a_picture() -> None:
    """No request is no error."""
    assert show.requests(Requests(())).text.endswith("0 requests, all answered")


def test_charts_take_the_colour_of_the_page() -> None:
    """Words and lines do; the two tones of the shapes suit both grounds."""
    for drawn in (show.bars(record()), show.requests(record())):
        svg = drawn.html.replace("http://www.w3.org/2000/svg", "")
        assert set(re.findall(r"#\w+", svg)) <= {"#3f8fd2", "#d9534f"}
        assert "currentColor" in svg
        assert drawn._repr_mimebundle_()["text/plain"] == drawn.text


def test_long_names_keep_their_end() -> None:
    """The end of a Pod's name is what tells it from its siblings."""
    drawn = show.bars({"a-very-long-controller-name-x7k2p": 1})

    assert any(each.endswith("-name-x7k2p") for each in words(drawn.html))
