"""Give the words of a YAML file the types that kubectl gives them."""

from __future__ import annotations

import base64
import math
import re
from typing import Any

import yaml

_DIGITS = 1000
"""No number has more; of too long ones Python makes no text."""
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = ("", "~", "null", "Null", "NULL")


class Loader(_BASE, yaml.composer.Composer):  # type: ignore[misc]
    """Give words the types that kubectl gives them: dates and 1:30 are text."""

    # Not those of libyaml's loader, which refuses to give an anchor's name again.
    check_node = yaml.composer.Composer.check_node
    get_node = yaml.composer.Composer.get_node

    def __init__(self, text: str) -> None:
        _BASE.__init__(self, text)
        self.anchors: dict[str, yaml.Node] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Read a node; its anchor counts from here on, in the place of an older one."""
        if not self.check_event(yaml.AliasEvent):
            self.anchors.pop(self.peek_event().anchor, None)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def flatten_mapping(self, node: Any) -> None:
        """Put in what ``<<`` names where it stands: of two keys the later counts."""
        pairs: list[Any] = []
        for pair in node.value:
            one = yaml.MappingNode(node.tag, [pair], node.start_mark, node.end_mark)
            super().flatten_mapping(one)
            pairs += one.value
        node.value = pairs

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Read a value; one that is not what its tag says has a place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"this is no {node.tag.rpartition(':')[2]} that JSON has",
                node.start_mark,
            ) from error


Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in known if "timestamp" not in tag]
    for letter, known in _BASE.yaml_implicit_resolvers.items()
}
_WHOLE = r"[-+]?(?:0[bB][01_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*|0[xX][0-9a-fA-F_]+)$"
_INT = re.compile(_WHOLE)
_FLOAT = re.compile(
    rf"(?!{_WHOLE})[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)"
    r"(?:[eE][-+]?[0-9][0-9_]*)?$"
    r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)
for _letter, _known in Loader.yaml_implicit_resolvers.items():
    _known[:] = [
        (tag, {"int": _INT, "float": _FLOAT}.get(tag.rpartition(":")[2], pattern))
        for tag, pattern in _known
    ]


# To kubectl y and n are true and false, too.
Loader.bool_values = {**_BASE.bool_values, "y": True, "n": False}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN")
)


def _whole(loader: Any, node: yaml.ScalarNode) -> int:
    """Read a whole number; one with a zero in front is octal, with an o or without."""
    if len(node.value) > _DIGITS:
        raise ValueError(f"a number has at most {_DIGITS} digits")
    text = node.value.replace("_", "").lower()
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if re.fullmatch(r"0[0-7]+", digits):
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _fraction(loader: Any, node: yaml.ScalarNode) -> float:
    """Read a number with a fraction; JSON has no endless one."""
    value = float(loader.construct_yaml_float(node))
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that JSON has")
    return value


def _nothing(loader: Any, node: yaml.ScalarNode) -> None:
    """Read a null, which a tag alone does not make of any other word."""
    if loader.construct_scalar(node) not in _NULLS:
        raise ValueError(f"{node.value} is no null")


def _binary(loader: Any, node: yaml.ScalarNode) -> bytes:
    """Read base64, which may have several lines."""
    text = re.sub(r"[\r\n]", "", loader.construct_scalar(node))
    return base64.b64decode(text, validate=True)


Loader.add_constructor("tag:yaml.org,2002:null", _nothing)
Loader.add_constructor("tag:yaml.org,2002:binary", _binary)
Loader.add_constructor("tag:yaml.org,2002:int", _whole)
Loader.add_constructor("tag:yaml.org,2002:float", _fraction)


def _as_it_stands(loader: Any, *tag_and_node: Any) -> Any:
    """Read a value whose tag says nothing to kubectl, as ``!Ref x`` or ``=``."""
    node = tag_and_node[-1]
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return node.value


def _moment(loader: Any, node: yaml.ScalarNode) -> str:
    """Read a time, which stays the text that it is."""
    loader.construct_yaml_timestamp(node)
    return str(node.value)


for _tag in ("value", "merge", "set", "omap", "pairs"):
    Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _as_it_stands)
Loader.add_multi_constructor("!", _as_it_stands)
Loader.add_constructor("tag:yaml.org,2002:timestamp", _moment)
