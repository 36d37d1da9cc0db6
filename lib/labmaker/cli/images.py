"""The command ``k8slab images``."""

from __future__ import annotations

from typing import Annotated

import typer

from .shared import say

app = typer.Typer(help="The images that chapters run.", no_args_is_help=True)


@app.command("push")
def push(
    place: Annotated[str, typer.Argument(help="As REGISTRY/PREFIX, without a tag.")],
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Push all that a cluster is made of.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain-http", help="The registry has no TLS.")
    ] = False,
) -> None:
    """Push the images that chapters run to a registry that a cluster pulls from."""
    from ..push import push as push_images

    for pushed in push_images(place, cluster=cluster, plain=plain):
        say(pushed)
