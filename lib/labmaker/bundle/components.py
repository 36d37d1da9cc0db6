"""List the components of a lab: what has a version, and what is made of it.

What is compiled, packed and built follows from this one table, and so do the packages
that are installed step by step. A new component is an entry here and its version in
`bundle/versions.yaml`; its module lies in `bundle/go/NAME/`, its images in
`bundle/images/`, its packages in `bundle/packages/`. Only `bundle/machine/setup-ready`,
which a machine's image is built with, names packages again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from k8slab.errors import BundleError

NODE_IMAGES = ("ready", "bare")
"""What a node may be made of; the usual one first."""
MACHINE_IMAGES = (*NODE_IMAGES, "depot")
"""What any machine may be made of."""


@dataclass(frozen=True)
class GoModule:
    """A Go module, and what is taken from it: programs, seldom manifests.

    Attributes:
        path: The module whose version is the component's.
        programs: The program's file name and its package.
        stamps: Variables that the linker sets, and their values, in which
            ``{version}``, ``{major}`` and ``{minor}`` stand for those of the version.
        family: How the paths of all modules begin that are released together.
        staging: The version of the family's other modules, where it is another one,
            with ``{minor}`` and ``{patch}``.
        manifests: Its folder of manifests that are taken as they are; mostly none.
    """

    path: str
    programs: Mapping[str, str] = field(default_factory=dict)
    stamps: Mapping[str, str] = field(default_factory=dict)
    family: str = ""
    staging: str = ""
    manifests: str = ""


@dataclass(frozen=True)
class Image:
    """An image that Pods use; `bundle/images/NAME/` says how it is built.

    Attributes:
        name: The image's name.
        tag: Its tag, in which ``{version}`` stands for the component's.
        debs: The Debian packages installed in it, on top of a small Debian.
        unpacked: The set of the machines' Debian packages that is unpacked for it.
        preloaded: Every machine starts with it; another one is pulled when wanted.
        in_chapters: Chapters run it, also in a cluster that was there.
    """

    name: str
    tag: str = "{version}"
    debs: tuple[str, ...] = ()
    unpacked: str = ""
    preloaded: bool = True
    in_chapters: bool = False


@dataclass(frozen=True)
class Package:
    """A Debian package; `bundle/packages/NAME/` has its files and its control file.

    Attributes:
        name: The package's name.
        programs: The compiled programs in it.
        folder: Where they go.
    """

    name: str
    programs: tuple[str, ...]
    folder: str = "usr/bin"


@dataclass(frozen=True)
class Component:
    """One part of a lab that has a version of its own.

    Attributes:
        name: Its name; its version has the same in `bundle/versions.yaml`.
        module: The Go module it is taken from, or None.
        images: The images made of it, with its programs inside where it has any.
        packages: The Debian packages made of its programs.
        on_demand: It is built when it is asked for by name. Then it has programs,
            images and manifests only, and no Debian packages in these: others would
            change with it.
    """

    name: str
    module: GoModule | None = None
    images: tuple[Image, ...] = ()
    packages: tuple[Package, ...] = ()
    on_demand: bool = False


def _all(prefix: str, *names: str) -> dict[str, str]:
    return {name.rsplit("/", 1)[-1]: f"{prefix}/{name}" for name in names}


_KUBERNETES = "k8s.io/kubernetes"
_KUBERNETES_VERSION = "k8s.io/component-base/version"
_CONTAINERD = "github.com/containerd/containerd/v2"
_CNI = "github.com/containernetworking/plugins"
_CRI_TOOLS = "sigs.k8s.io/cri-tools"
_DISTRIBUTION = "github.com/distribution/distribution/v3"
_METALLB = "go.universe.tf/metallb"
_METRICS = "sigs.k8s.io/metrics-server"
_LOCAL_PATH = "github.com/rancher/local-path-provisioner"
_TRAEFIK = "github.com/traefik/traefik/v3"

COMPONENTS = (
    Component(
        "kubernetes",
        GoModule(
            _KUBERNETES,
            _all(
                f"{_KUBERNETES}/cmd",
                "kubeadm",
                "kubelet",
                "kubectl",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kube-proxy",
            ),
            stamps={
                f"{_KUBERNETES_VERSION}.gitVersion": "v{version}",
                f"{_KUBERNETES_VERSION}.gitMajor": "{major}",
                f"{_KUBERNETES_VERSION}.gitMinor": "{minor}",
                f"{_KUBERNETES_VERSION}.gitTreeState": "clean",
                f"{_KUBERNETES_VERSION}.gitCommit": "unknown",
            },
            family="k8s.io/",
            staging="0.{minor}.{patch}",
        ),
        images=(
            Image("kube-apiserver", "v{version}"),
            Image("kube-controller-manager", "v{version}"),
            Image("kube-scheduler", "v{version}"),
            Image(
                "kube-proxy",
                "v{version}",
                debs=("conntrack", "iptables", "kmod", "nftables"),
            ),
        ),
        packages=(
            Package("kubelet", ("kubelet",)),
            Package("kubeadm", ("kubeadm",)),
            Package("kubectl", ("kubectl",)),
        ),
    ),
    Component(
        "containerd",
        GoModule(
            _CONTAINERD,
            _all(f"{_CONTAINERD}/cmd", "containerd", "containerd-shim-runc-v2", "ctr"),
            stamps={f"{_CONTAINERD}/version.Version": "v{version}"},
        ),
        packages=(
            Package("containerd", ("containerd", "containerd-shim-runc-v2", "ctr")),
        ),
    ),
    Component(
        "cni",
        GoModule(
            _CNI,
            _all(
                f"{_CNI}/plugins",
                "main/bridge",
                "main/loopback",
                "ipam/host-local",
                "meta/portmap",
            ),
            stamps={f"{_CNI}/pkg/utils/buildversion.BuildVersion": "v{version}"},
        ),
        packages=(
            Package(
                "kubernetes-cni",
                ("bridge", "host-local", "loopback", "portmap"),
                "opt/cni/bin",
            ),
        ),
    ),
    Component(
        "cri-tools",
        GoModule(
            _CRI_TOOLS,
            {"crictl": f"{_CRI_TOOLS}/cmd/crictl"},
            stamps={f"{_CRI_TOOLS}/pkg/version.Version": "{version}"},
        ),
        packages=(Package("cri-tools", ("crictl",)),),
    ),
    Component(
        "registry",
        GoModule(
            _DISTRIBUTION,
            {"registry": f"{_DISTRIBUTION}/cmd/registry"},
            stamps={f"{_DISTRIBUTION}/version.version": "v{version}"},
        ),
    ),
    Component(
        "etcd",
        GoModule(
            "go.etcd.io/etcd/server/v3",
            {
                "etcd": "go.etcd.io/etcd/server/v3",
                "etcdctl": "go.etcd.io/etcd/etcdctl/v3",
            },
            family="go.etcd.io/etcd/",
        ),
        # The tag that kubeadm expects.
        images=(Image("etcd", "{version}-0"),),
    ),
    Component(
        "coredns",
        GoModule(
            "github.com/coredns/coredns", {"coredns": "github.com/coredns/coredns"}
        ),
        images=(Image("coredns", "v{version}"),),
    ),
    Component("pause", images=(Image("pause", unpacked="catatonit"),)),
    Component(
        "echo", images=(Image("echo", debs=("python3-minimal",), in_chapters=True),)
    ),
    Component(
        "mariadb",
        images=(
            Image(
                "mariadb",
                debs=("mariadb-client-core", "mariadb-server-core"),
                preloaded=False,
                in_chapters=True,
            ),
        ),
    ),
    # What add-ons are made of: `labmaker.addons`.
    Component(
        "gateway-api",
        GoModule("sigs.k8s.io/gateway-api", manifests="config/crd/standard"),
        on_demand=True,
    ),
    Component(
        "local-path-provisioner",
        GoModule(
            _LOCAL_PATH,
            {"local-path-provisioner": _LOCAL_PATH},
            stamps={"main.VERSION": "v{version}"},
        ),
        images=(Image("local-path-provisioner", "v{version}", preloaded=False),),
        on_demand=True,
    ),
    Component(
        "metallb",
        GoModule(
            _METALLB,
            {
                "metallb-controller": f"{_METALLB}/controller",
                "metallb-speaker": f"{_METALLB}/speaker",
            },
        ),
        images=(
            Image("metallb-controller", "v{version}", preloaded=False),
            Image("metallb-speaker", "v{version}", preloaded=False),
        ),
        on_demand=True,
    ),
    Component(
        "metrics-server",
        GoModule(
            _METRICS,
            {"metrics-server": f"{_METRICS}/cmd/metrics-server"},
            stamps={
                # Where its own Makefile puts them: it asks the client library.
                "k8s.io/client-go/pkg/version.gitVersion": "v{version}",
                "k8s.io/client-go/pkg/version.gitCommit": "unknown",
            },
        ),
        images=(Image("metrics-server", "v{version}", preloaded=False),),
        on_demand=True,
    ),
    Component(
        "traefik",
        GoModule(
            _TRAEFIK,
            {"traefik": f"{_TRAEFIK}/cmd/traefik"},
            stamps={f"{_TRAEFIK}/pkg/version.Version": "{version}"},
        ),
        images=(Image("traefik", "v{version}", preloaded=False),),
        on_demand=True,
    ),
)


def find(name: str) -> Component:
    """Return a component.

    Raises:
        BundleError: There is none of that name.
    """
    known = {component.name: component for component in COMPONENTS}
    if name not in known:
        raise BundleError(
            f"there is no component named {name!r}",
            wanted="one of " + ", ".join(known),
            seen=name,
            next="name one of these",
        )
    return known[name]


def on_demand() -> list[str]:
    """Return the names of the components that are built on demand only."""
    return [component.name for component in COMPONENTS if component.on_demand]


def images() -> list[Image]:
    """Return the images that every bundle has."""
    return [
        image
        for component in COMPONENTS
        if not component.on_demand
        for image in component.images
    ]


def chapter_images() -> list[Image]:
    """Return the images that chapters run, also in a cluster that was there."""
    return [image for image in images() if image.in_chapters]


def packages() -> dict[str, str]:
    """Return the Debian packages of nodes, each with the component it is made of."""
    return {
        package.name: component.name
        for component in COMPONENTS
        for package in component.packages
    }
