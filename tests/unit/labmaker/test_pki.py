"""The depot's certificate outlives a lab, for nothing could renew it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509

from labmaker.pki import make_identity


def test_a_depot_is_believed_for_ten_years() -> None:
    """Its authority, too: after a year ``kubeadm certs renew`` would help neither."""
    identity = make_identity("test", ["depot.lab"])
    ends = datetime.now(UTC) + timedelta(days=3600)

    for text in (identity.ca, identity.certificate):
        made = x509.load_pem_x509_certificate(text.encode())
        assert made.not_valid_after_utc > ends
