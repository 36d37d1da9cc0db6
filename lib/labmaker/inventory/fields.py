"""Read fields of a YAML file, and name line and field of each that cannot be."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

import yaml
from cryptography import x509

from k8slab.errors import BadInput
from k8slab.ssh.keys import read_key

T = TypeVar("T")


class Field:
    """One value of the file, with the place where it stands.

    Args:
        file: The file.
        node: The value as YAML has it.
        path: Its name in the file, as in ``machines[1].port``.
    """

    def __init__(self, file: Path, node: yaml.Node, path: str) -> None:
        self.file = file
        self._node = node
        self.path = path

    def wrong(
        self, what: str, *, wanted: str, seen: str = "", instead: str = ""
    ) -> BadInput:
        """Return the error that names this field and its line.

        Args:
            what: What is wrong.
            wanted: What would be right.
            seen: What stands there; empty for the field's own text.
            instead: A command that makes what is wanted of what is there, beside it.
        """
        line = self._node.start_mark.line + 1
        return BadInput(
            what,
            where=f"{self.file}, line {line}: {self.path or 'the whole file'}",
            wanted=wanted,
            seen=seen or self._shown(),
            next=f"correct line {line}, then repeat the command"
            + (f"; this makes what to name there:\n{instead}" if instead else ""),
        )

    def fields(
        self, known: Collection[str], *, needed: Collection[str] = ()
    ) -> Mapping[str, Field]:
        """Return the fields of a mapping by name.

        Args:
            known: The names that there are.
            needed: Those that must be given.

        Raises:
            BadInput: It is no mapping, or has a field twice, an unknown one or too few.
        """
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong("that is no mapping", wanted="fields, as in 'name: value'")
        found: dict[str, Field] = {}
        for key, value in self._node.value:
            name = str(key.value)
            path = f"{self.path}.{name}" if self.path else name
            place = Field(self.file, key, path)
            if name not in known:
                among = "one of " + ", ".join(known)
                raise place.wrong("there is no such field", wanted=among, seen=name)
            if name in found:
                raise place.wrong("the field stands there twice", wanted="it once")
            found[name] = Field(self.file, value, path)
        for name in needed:
            if name not in found:
                seen = ", ".join(found) or "no field"
                raise self.wrong("a field is missing", wanted=name, seen=seen)
        return found

    def items(self) -> Sequence[Field]:
        """Return the items of a list that has some.

        Raises:
            BadInput: It is no list, or is empty.
        """
        if not isinstance(self._node, yaml.SequenceNode) or not self._node.value:
            raise self.wrong("that is no list", wanted="items, each after a '-'")
        return [
            Field(self.file, node, f"{self.path}[{number}]")
            for number, node in enumerate(self._node.value)
        ]

    def text(self) -> str:
        """Return a text that is not empty.

        Raises:
            BadInput: It is none.
        """
        node = self._node
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.wrong("that is no text", wanted="a text")
        return str(node.value)

    def words(self) -> tuple[str, ...]:
        """Return a command as a list of words."""
        return tuple(item.text() for item in self.items())

    def yes(self) -> bool:
        """Return ``true`` or ``false``.

        Raises:
            BadInput: It is neither.
        """
        if self.text() not in ("true", "false"):
            raise self.wrong("that is neither true nor false", wanted="true or false")
        return self.text() == "true"

    def number(self, low: int, high: int) -> int:
        """Return a whole number in a range."""

        def read(text: str) -> int:
            number = int(text)
            if not low <= number <= high:
                raise ValueError
            return number

        return self.parsed(read, f"a number from {low} to {high}")

    def address(self) -> IPv4Address:
        """Return an IPv4 address."""
        return self.parsed(_address, "a machine's IPv4 address, as 192.0.2.11")

    def network(self) -> IPv4Network:
        """Return a range of IPv4 addresses."""
        return self.parsed(IPv4Network, "a range of addresses, as 10.244.0.0/16")

    def readable(self) -> Path:
        """Return the path of a file that is there, relative to this one."""
        try:
            path = (self.file.parent / Path(self.text()).expanduser()).absolute()
        except RuntimeError as error:  # of a user that there is not
            wanted = "a file of a user that there is"
            raise self.wrong("there is no such file", wanted=wanted) from error
        if not path.is_file():
            raise self.wrong("there is no such file", wanted="a file", seen=str(path))
        return path

    def private_key(self) -> Path:
        """Return the path of a private key that can log in."""
        path = self.readable()
        try:
            read_key(path)
        except BadInput as error:
            wrong = self.wrong(
                error.what, wanted=error.wanted, seen=f"{path}: {error.seen}"
            )
            wrong.next = f"{error.next}; {wrong.next}"
            raise wrong from None
        return path

    def certificates(self) -> Path:
        """Return the path of a file of certificates, as text."""
        path = self.readable()
        content = path.read_bytes()
        try:
            x509.load_pem_x509_certificates(content)
        except ValueError:
            make = ""
            with suppress(ValueError):
                x509.load_der_x509_certificate(content)
                files = f"-in {_word(path)} -out {_word(path, 'pem')}"
                make = f"openssl x509 -inform der {files}"
            raise self.wrong(
                "that file holds no certificate that can be read",
                wanted="certificates in PEM: -----BEGIN CERTIFICATE-----",
                seen=f"{path}: {_begin(content)}",
                instead=make,
            ) from None
        return path

    def keyring(self) -> Path:
        """Return the path of a key for packages, in the form that apt takes."""
        path = self.readable()
        if (content := path.read_bytes()).lstrip().startswith(b"-----BEGIN PGP"):
            raise self.wrong(
                "that key is in text, which apt takes for a broken one",
                wanted="the key in binary",
                seen=f"{path}: {_begin(content)}",
                instead=f"gpg --dearmor < {_word(path)} > {_word(path, 'gpg')}",
            )
        return path

    def manifest(self) -> Path:
        """Return the path of a manifest: YAML, whose documents say their kind."""
        path = self.readable()
        try:
            # As text alone: what YAML 1.1 makes of "=" or of a date, kubectl does not.
            documents = yaml.load_all(path.read_text("utf-8"), yaml.BaseLoader)
            kinds = [each["kind"] for each in documents if each]
        except (ValueError, yaml.YAMLError, TypeError, KeyError, RecursionError):
            kinds = []
        if not kinds:
            wanted = "objects in YAML, each with its kind"
            seen = f"{path}: {_begin(path.read_bytes())}"
            raise self.wrong("that file is no manifest", wanted=wanted, seen=seen)
        return path

    def among(self, known: Collection[str], what: str) -> str:
        """Return a text that is one of some."""
        if self.text() not in known:
            raise self.wrong(
                f"there is no such {what}", wanted="one of " + ", ".join(known)
            )
        return self.text()

    def parsed(self, read: Callable[[str], T], wanted: str) -> T:
        """Return what a function makes of the text; its `ValueError` is told.

        Raises:
            BadInput: The function refuses it.
        """
        try:
            return read(self.text())
        except ValueError:
            raise self.wrong("that value cannot be", wanted=wanted) from None

    def _shown(self) -> str:
        if isinstance(self._node, yaml.ScalarNode):
            return str(self._node.value) or "nothing"
        return "a list" if isinstance(self._node, yaml.SequenceNode) else "a mapping"


def _begin(content: bytes) -> str:
    """Return how a file begins, for a message."""
    line = content.strip().partition(b"\n")[0][:60].decode(errors="replace")
    if not line:
        return "empty"
    return line if line.isprintable() else "binary"


def _word(path: Path, ending: str = "") -> str:
    """Return a path for a shell; with an ending, that of a new file beside it."""
    return shlex.quote(f"{path}.{ending}" if ending else str(path))


def _address(text: str) -> IPv4Address:
    """Return an address that a machine can have on a network."""
    found = IPv4Address(text)
    odd = found.is_multicast or found.is_unspecified
    if odd or found.is_link_local or found.is_reserved:
        raise ValueError
    return found


def load(file: Path) -> Field:
    """Read a YAML file of one document.

    Raises:
        BadInput: It cannot be read, or is no YAML.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            "the inventory cannot be read",
            where=str(file),
            wanted="a YAML file",
            seen=getattr(error, "strerror", None) or type(error).__name__,
            next="name it: --inventory FILE",
        ) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:  # of what is nested too deep
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise BadInput(
            "the inventory is no YAML",
            where=f"{file}{line}",
            wanted="a YAML file",
            seen=getattr(error, "problem", None) or type(error).__name__,
            next="correct it, then repeat the command",
        ) from error
    if root is None:
        root = yaml.MappingNode("", [], yaml.Mark(str(file), 0, 0, 0, "", 0))
    return Field(file, root, "")
