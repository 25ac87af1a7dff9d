"""Nodes that are together, and raw clients in their rooms."""

from __future__ import annotations

from typing import Any, TypedDict

import hubbub
from hubbub.testing.cluster import Cluster
from tests.node.peers import Peer


class Wave(TypedDict):
    x: int


async def start(*names: str, **settings: Any) -> Cluster:
    cluster = Cluster()

    def make(**given: Any) -> hubbub.Hubbub:
        app = hubbub.Hubbub(**{"anonymous": True, **settings, **given})
        app.message("wave", ephemeral=True)(Wave)
        return app

    await cluster.start(*(names or ("a", "b")), make_app=make)
    return cluster


async def begin(cluster: Cluster, node: str, user: str, *rooms: str) -> Peer:
    return await Peer(cluster.app(node), user).begin(*rooms)
