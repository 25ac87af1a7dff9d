"""Documents of `hubbub serve`."""

from __future__ import annotations

import logging

from hubbub.app.application import Hubbub
from hubbub.collab.documents import Documents
from hubbub.errors import ConfigurationError

log = logging.getLogger("hubbub.cli")


def serve_documents(app: Hubbub) -> Documents | None:
    """Documents as the settings say; None where they are off, or where the log cannot keep any."""
    settings = app.settings
    if settings.documents == "off":
        return None
    try:
        return Documents(
            app,
            snapshot_operations=settings.snapshot_operations,
            snapshot_seconds=settings.snapshot_seconds,
            keep_seconds=settings.document_retention,
            max_units=settings.document_limit,
        )
    except ConfigurationError as error:
        log.info("no documents are served: %s", error)
        return None
