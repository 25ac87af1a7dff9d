"""Documents of `hubbub serve`."""

from __future__ import annotations

import logging
from typing import Any

from hubbub.app.application import Hubbub
from hubbub.app.stores import Backend
from hubbub.collab.documents import Documents
from hubbub.collab.mailed import MailedLog
from hubbub.errors import ConfigurationError

log = logging.getLogger("hubbub.cli")


def serve_documents(app: Hubbub) -> Documents | None:
    """Documents as the settings say; None where they are off, or where nothing is said and the log cannot keep any.

    Raises `ConfigurationError` where they cannot be kept in the place that is named.
    """
    settings = app.settings
    if settings.documents == "off":
        return None
    place: dict[str, Any] = {}
    if settings.documents:
        backend = _open(settings.documents, settings.cluster)
        app.stores = app.stores._replace(backends=(*app.stores.backends, backend))
        place = {"store": _followed(app, backend.log), "snapshots": backend.snapshots}
    try:
        return Documents(
            app,
            **place,
            snapshot_operations=settings.snapshot_operations,
            snapshot_seconds=settings.snapshot_seconds,
            keep_seconds=settings.document_retention,
            max_units=settings.document_limit,
            lease_seconds=settings.document_lease,
        )
    except ConfigurationError as error:
        if settings.documents:
            raise
        log.info("no documents are served: %s", error)
        return None


def _followed(app: Hubbub, store: Any) -> Any:
    """The store, as the nodes can follow it where there are several."""
    stores = app.stores
    if stores.registry is None or stores.mailbox is None:
        return store
    return MailedLog(store, stores.mailbox)


def _open(url: str, cluster: str) -> Backend:
    try:
        # Imported when it is named: its driver is an extra.
        from hubbub.backends.postgres.opening import PostgresBackend  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if str(error.name).startswith("hubbub"):
            raise
        raise ConfigurationError("documents", f"needs {error.name}: pip install 'hubbub[postgres]'") from None
    backend: Any = PostgresBackend(url, cluster=cluster)
    opened: Backend = backend
    return opened
