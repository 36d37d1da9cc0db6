"""How probes travel: bytes exchanged with an address of the lab."""
