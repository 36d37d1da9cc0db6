"""Say whether this computer's kernel takes the rules that a lab and its machines write.

Most of what they need the kernel loads by itself when it is first used; a kernel of
one's own may not have it, nor one whose modules an upgrade has removed.
"""

from __future__ import annotations

from k8slab.errors import LabError

from ..computer import SYS_ADMIN, Computer, holds

# What a lab's filters, the machines' routes and kube-proxy's Services need.
_RULES = """\
*filter
:K8SLAB-TRIAL - [0:0]
-A FORWARD -m conntrack --ctstate NEW -m comment --comment trial -j K8SLAB-TRIAL
-A K8SLAB-TRIAL -m mark --mark 0x4000/0x4000 -j ACCEPT
-A K8SLAB-TRIAL -p tcp -j REJECT --reject-with tcp-reset
-A K8SLAB-TRIAL -j REJECT
COMMIT
*nat
:K8SLAB-TRIAL - [0:0]
-A POSTROUTING -j MASQUERADE --random-fully
-A K8SLAB-TRIAL -m statistic --mode random --probability 0.5 -j MARK --or-mark 0x4000
-A K8SLAB-TRIAL -m addrtype --dst-type LOCAL -p tcp -j DNAT --to-destination 192.0.2.1
COMMIT
"""
_REFUSED = 9
"""What the trial ends with where the rules are refused, and not the trial itself."""
# Only in a network of its own; and by the newer iptables, too, which machines have.
_TRY = f"""\
[ /proc/self/ns/net -ef /proc/$PPID/ns/net ] && exit 0
for each in iptables-restore iptables-nft-restore; do
    command -v $each > /dev/null || continue
    $each << 'END' || exit {_REFUSED}
{_RULES}END
done
"""
_LINES = 3


def look(host: Computer) -> tuple[str, str]:
    """Say whether the rules can be written, and what to do where they cannot.

    Args:
        host: This computer, where a network is made and goes with the trial.
    """
    if not (holds(host, SYS_ADMIN) and host.has("unshare")):
        return "not tried", ""
    try:
        tried = host.run(["unshare", "--net", "sh", "-c", _TRY])
    except LabError:
        return "not tried", ""
    if tried.returncode != _REFUSED:
        return "all can be written", ""
    said = "\n".join(str(tried).splitlines()[:_LINES])
    return said, (
        "boot a kernel that has what they name, as Debian's own; "
        "when the kernel was upgraded since the last boot: reboot"
    )
