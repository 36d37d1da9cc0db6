"""Be another kernel on a chapter: LAB NAMESPACE; hold it until the input ends."""

import sys

from k8slab import lab
from k8slab.kube.holder import Holder

_, name, namespace = sys.argv
cluster = lab.connect(name)
cluster.scratch(namespace)
print("holds", Holder.this().process, flush=True)
sys.stdin.read()
