"""Which requests for a kubelet's certificate are approved, and which are not."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes.lab import RECORD

from labmaker.addons.kubelet_certificates import SIGNER, rightful


def request(
    *,
    subject: str = "system:node:node1",
    organization: str = "system:nodes",
    names: tuple[str, ...] = ("node1",),
    addresses: tuple[str, ...] = ("172.30.1.12",),
    **spec: Any,
) -> dict[str, Any]:
    """Return what the kubelet of node1 asks for, with something else in it."""
    builder = x509.CertificateSigningRequestBuilder(
        x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, subject),
            ]
        )
    )
    san: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    san += [x509.IPAddress(ip_address(address)) for address in addresses]
    if san:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(san), critical=False
        )
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    return {
        "metadata": {"name": "csr-1"},
        "spec": {
            "request": b64encode(pem).decode(),
            "signerName": SIGNER,
            "username": "system:node:node1",
            "groups": ["system:nodes", "system:authenticated"],
            "usages": ["digital signature", "server auth"],
            **spec,
        },
    }


def test_a_node_gets_a_certificate_for_itself() -> None:
    """For its name and its address, either or both."""
    asked = [request(), request(names=()), request(addresses=())]

    assert [rightful(each, RECORD.nodes) for each in asked] == [True, True, True]


WRONG: dict[str, dict[str, Any]] = {
    "another name": {"names": ("node1", "node2")},
    "another address": {"addresses": ("172.30.1.11",)},
    "no name and no address": {"names": (), "addresses": ()},
    "another subject": {"subject": "system:node:master"},
    "another organization": {"organization": "system:masters"},
    "another user": {"username": "system:node:node2"},
    "a user that is no node": {"username": "node1"},
    "a node that the lab does not have": {"username": "system:node:node3"},
    "a user of another group": {"groups": ["system:authenticated"]},
    "another signer": {"signerName": "kubernetes.io/kube-apiserver-client"},
    "another use": {"usages": ["client auth"]},
}


@pytest.mark.parametrize("what", WRONG)
def test_nobody_gets_another_one(what: str) -> None:
    """It is left undecided, for somebody to look at."""
    assert not rightful(request(**WRONG[what]), RECORD.nodes)
