"""An API server in this process: TLS, discovery, objects, list and watch."""

from __future__ import annotations

import base64
import copy
import json
import queue
import ssl
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from .certificates import certificate, key_pem, pem
from .objects import pod

Kind = tuple[str, str, str, str, bool]
KINDS: list[Kind] = [
    ("", "v1", "Namespace", "namespaces", False),
    ("", "v1", "Node", "nodes", False),
    ("", "v1", "Pod", "pods", True),
    ("", "v1", "Secret", "secrets", True),
    ("", "v1", "ConfigMap", "configmaps", True),
    ("", "v1", "Event", "events", True),
    ("", "v1", "Service", "services", True),
    ("", "v1", "ServiceAccount", "serviceaccounts", True),
    ("", "v1", "ReplicationController", "replicationcontrollers", True),
    ("", "v1", "PersistentVolume", "persistentvolumes", False),
    ("apps", "v1", "Deployment", "deployments", True),
    ("apps", "v1", "StatefulSet", "statefulsets", True),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        False,
    ),
    ("gateway.networking.k8s.io", "v1", "Gateway", "gateways", True),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", True),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", True),
    ("coordination.k8s.io", "v1", "Lease", "leases", True),
]
SHORT = {"pods": ["po"], "replicationcontrollers": ["rc"], "namespaces": ["ns"]}
CLUSTER_UID = "11111111-2222-3333-4444-555555555555"
POLL_S = 0.005
"""How often a server looks whether it should end; hundreds of tests wait for it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: FakeApi, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.api = api

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuse a connection before its handshake, as often as the fake says."""
        if self.api.hang_up:
            self.api.hang_up -= 1
            return False
        return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave in the middle are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer of two writes waits 40 ms
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self.server.api.answer(self, "GET")

    def do_POST(self) -> None:
        self.server.api.answer(self, "POST")

    def do_PATCH(self) -> None:
        self.server.api.answer(self, "PATCH")

    def do_DELETE(self) -> None:
        self.server.api.answer(self, "DELETE")


class FakeApi:
    """The server: `put` and `drop` objects, read what it was asked in `requests`.

    Attributes:
        requests: Method and path of each request, in order.
        authorizations: What each of them showed in that header.
        refuse_watch: HTTP statuses for the next watches, each used once.
        passing: Statuses that answer the next requests, whatever they are.
        hang_up: How many connections end before the handshake does.
        silent: Whether watches send nothing, as on a connection that died.
        on_request: Called with method and path before each answer.
        uid: The UID of its ``kube-system``.
        kinds: The kinds of object it has now: group, version, kind, plural, namespaced.
        pod: Makes a Pod object.
    """

    uid = CLUSTER_UID
    pod = staticmethod(pod)

    def __init__(self, folder: Path) -> None:
        self.requests: list[str] = []
        self.authorizations: list[str] = []
        self.queries: list[dict[str, list[str]]] = []
        self.refuse_watch: list[int] = []
        self.errors: dict[str, tuple[Any, ...]] = {}
        self.passing: list[int] = []
        self.kinds: list[Kind] = list(KINDS)
        self.hang_up = 0
        self.silent = False
        self.on_request: Any = None
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._version = 100
        self._watchers: list[tuple[str, str, queue.Queue[Any]]] = []
        self._history: list[tuple[str, str, dict[str, Any]]] = []
        self._lock = threading.RLock()
        self.ca, self._ca_key = certificate("fake CA")
        self._folder = folder
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.show_certificate()
        self._server = self._serve(0)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self.put(
            "namespaces", {"metadata": {"name": "kube-system", "uid": CLUSTER_UID}}
        )

    def show_certificate(self, *, days: int = 1) -> None:
        """Show new clients a certificate that is valid for so many days."""
        cert, key = certificate("server", (self.ca, self._ca_key), days=days)
        (self._folder / "server.pem").write_bytes(pem(cert) + key_pem(key))
        self._tls.load_cert_chain(self._folder / "server.pem")

    def _serve(self, port: int) -> _Server:
        server = _Server(self, port)
        server.socket = self._tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        serve = partial(server.serve_forever, POLL_S)
        threading.Thread(target=serve, daemon=True).start()
        return server

    def kubeconfig(self, path: Path, *, days: int = 1, **changes: Any) -> Path:
        """Write a kubeconfig for it, as a lab has one."""
        cert, key = certificate("client", (self.ca, self._ca_key), days=days)
        cluster = {"server": self.url, "certificate-authority-data": _b64(pem(self.ca))}
        user = {
            "client-certificate-data": _b64(pem(cert)),
            "client-key-data": _b64(key_pem(key)),
        }
        cluster.update(changes.get("cluster", {}))
        user.update(changes.get("user", {}))
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "admin@kubernetes",
            "contexts": [
                {
                    "name": "admin@kubernetes",
                    "context": {"cluster": "kubernetes", "user": "admin"},
                }
            ],
            "clusters": [{"name": "kubernetes", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
        }
        path.write_text(yaml.dump(config, Dumper=yaml.CSafeDumper))
        return path

    def put(self, plural: str, obj: dict[str, Any], namespace: str = "") -> None:
        """Create or change an object."""
        with self._lock:
            self._version += 1
            meta = obj.setdefault("metadata", {})
            meta["resourceVersion"] = str(self._version)
            if namespace:
                meta["namespace"] = namespace
            key = (plural, namespace, meta["name"])
            known = self._objects.get(key)
            kind = "MODIFIED" if known else "ADDED"
            uid = known["metadata"]["uid"] if known else f"uid-{self._version}"
            meta.setdefault("uid", uid)
            self._objects[key] = copy.deepcopy(obj)
            self._tell(plural, namespace, kind, self._objects[key])

    def holds(self, plural: str, name: str, namespace: str = "") -> bool:
        """Say whether there is such an object."""
        with self._lock:
            return (plural, namespace, name) in self._objects

    def drop(self, plural: str, name: str, namespace: str = "") -> None:
        """Remove an object."""
        with self._lock:
            obj = self._objects.pop((plural, namespace, name), None)
            if obj is not None:
                self._version += 1
                obj["metadata"]["resourceVersion"] = str(self._version)
                self._tell(plural, namespace, "DELETED", obj)

    def end_watches(self, last: dict[str, Any] | None = None) -> None:
        """End all open watches, after one last event."""
        with self._lock:
            for _, _, events in self._watchers:
                if last is not None:
                    events.put(last)
                events.put(None)

    def restart(self, seconds: float) -> None:
        """Refuse connections for a while, with all that were open cut."""
        self.close()

        def serve() -> None:
            self._server = self._serve(self._server.server_port)

        threading.Timer(seconds, serve).start()

    def close(self) -> None:
        """Stop serving."""
        self.end_watches()
        self._server.shutdown()
        self._server.server_close()

    def _tell(
        self, plural: str, namespace: str, kind: str, obj: dict[str, Any]
    ) -> None:
        event = {"type": kind, "object": copy.deepcopy(obj)}
        self._history.append((plural, namespace, event))
        for wanted, inside, events in self._watchers:
            if wanted == plural and inside in ("", namespace) and not self.silent:
                events.put(event)

    def answer(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        """Answer a request, as the API server does."""
        url = urlsplit(handler.path)
        query = parse_qs(url.query)
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length) or b"{}")
        self.requests.append(f"{method} {url.path}")
        self.authorizations.append(handler.headers.get("Authorization", ""))
        self.queries.append(query)
        if self.on_request:
            self.on_request(method, url.path)
        if self.passing:
            status = self.passing.pop(0)
            words = {"kind": "Status", "message": f"passing {status}"}
            self._send(handler, status, words)
            return
        known = self.errors.get(f"{method} {url.path}")
        if known:
            self._send(handler, *known)
            return
        if url.path in ("/api", "/apis"):
            self._send(handler, 200, _discovery(self.kinds, core=url.path == "/api"))
            return
        if url.path == "/version":
            self._send(handler, 200, {"gitVersion": "v1.37.2"})
            return
        plural, namespace, name = _place(url.path)
        if query.get("watch"):
            self._watch(handler, plural, namespace, query)
        elif method == "POST":
            dry = query.get("dryRun")
            if not dry:
                self.put(plural, body, namespace)
            self._send(handler, 201, body)
        elif method == "DELETE":
            uid = (body.get("preconditions") or {}).get("uid")
            with self._lock:
                named = [
                    key
                    for key in list(self._objects)
                    if key[:2] == (plural, namespace) and name in ("", key[2])
                ]
                seen = [self._objects[key]["metadata"]["uid"] for key in named]
            if uid and any(each != uid for each in seen):
                self._send(handler, 409, {"kind": "Status", "reason": "Conflict"})
                return
            for key in named:
                self.drop(plural, key[2], namespace)
                if plural == "namespaces":
                    inside = [k for k in list(self._objects) if k[1] == key[2]]
                    for each in inside:
                        self.drop(each[0], each[2], each[1])
            self._send(handler, 200 if named or not name else 404, {"kind": "Status"})
        elif name:
            found = self._objects.get((plural, namespace, name))
            missing = {
                "kind": "Status",
                "reason": "NotFound",
                "message": f"{plural} {name!r} not found",
            }
            self._send(handler, 200 if found else 404, found or missing)
        else:
            self._send(handler, 200, self._list(plural, namespace, query))

    def _list(
        self, plural: str, namespace: str, query: dict[str, list[str]]
    ) -> dict[str, Any]:
        with self._lock:
            items = [
                copy.deepcopy(obj)
                for (kind, inside, _), obj in self._objects.items()
                if kind == plural
                and namespace in ("", inside)
                and _selected(obj, query)
            ]
            return {
                "kind": "List",
                "metadata": {"resourceVersion": str(self._version)},
                "items": items,
            }

    def _watch(
        self,
        handler: BaseHTTPRequestHandler,
        plural: str,
        namespace: str,
        query: dict[str, list[str]],
    ) -> None:
        if self.refuse_watch:
            status = self.refuse_watch.pop(0)
            self._send(handler, status, {"kind": "Status", "code": status})
            return
        events: queue.Queue[Any] = queue.Queue()
        since = int(query["resourceVersion"][0])
        with self._lock:
            for kind, inside, event in self._history:
                newer = int(event["object"]["metadata"]["resourceVersion"]) > since
                if kind == plural and namespace in ("", inside) and newer:
                    events.put(event)
            self._watchers.append((plural, namespace, events))
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        limit = float(query["timeoutSeconds"][0])
        try:
            while True:
                try:
                    event = events.get(timeout=limit)
                except queue.Empty:
                    break
                if event is None:
                    break
                if event["type"] == "ERROR" or _selected(event["object"], query):
                    _chunk(handler, json.dumps(event).encode() + b"\n")
            handler.wfile.write(b"0\r\n\r\n")
        except OSError:
            handler.close_connection = True
        finally:
            with self._lock:
                self._watchers = [w for w in self._watchers if w[2] is not events]

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        body: dict[str, Any] | str,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)


def _selected(obj: dict[str, Any], query: dict[str, list[str]]) -> bool:
    labels = obj["metadata"].get("labels") or {}
    for pair in query.get("labelSelector", [""])[0].split(","):
        key, equals, value = pair.partition("=")
        if key and (labels.get(key) != value if equals else key not in labels):
            return False
    field, _, value = query.get("fieldSelector", [""])[0].partition("=")
    if field == "metadata.name":
        return bool(obj["metadata"]["name"] == value)
    if field == "involvedObject.name":
        return bool((obj.get("involvedObject") or {}).get("name") == value)
    return True


def _place(path: str) -> tuple[str, str, str]:
    """Return plural, namespace and name of a path."""
    words = path.strip("/").split("/")
    words = words[2:] if words[0] == "api" else words[3:]
    namespace = ""
    if words[0] == "namespaces" and len(words) > 2:
        namespace, words = words[1], words[2:]
    return words[0], namespace, words[1] if len(words) > 1 else ""


def _discovery(kinds: Sequence[Kind], *, core: bool) -> dict[str, Any]:
    groups: dict[str, dict[str, list[Any]]] = {}
    for group, version, kind, plural, namespaced in kinds:
        if (group == "") != core:
            continue
        groups.setdefault(group, {}).setdefault(version, []).append(
            {
                "resource": plural,
                "responseKind": {"group": group, "version": version, "kind": kind},
                "scope": "Namespaced" if namespaced else "Cluster",
                "singularResource": kind.lower(),
                "shortNames": SHORT.get(plural, []),
                "verbs": ["get", "list", "watch", "create", "delete"],
            }
        )
    items = [
        {
            "metadata": {"name": group},
            "versions": [
                {"version": version, "resources": each}
                for version, each in versions.items()
            ],
        }
        for group, versions in groups.items()
    ]
    return {"kind": "APIGroupDiscoveryList", "items": items}


def _chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
