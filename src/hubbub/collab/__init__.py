"""Collaborative documents: a document is a channel, its log has its operations, its revision is an offset.

On the server `Documents(app)`; in a program that edits `open_document(client, id)`.
"""

from hubbub.collab.changes import ChangeSet
from hubbub.collab.document import Document
from hubbub.collab.documents import Documents
from hubbub.collab.events import Rejected, Status
from hubbub.collab.mailed import MailedLog
from hubbub.collab.opening import open_document
from hubbub.collab.options import DocumentOptions
from hubbub.collab.pointers import Pointer

__all__ = [
    "ChangeSet",
    "Document",
    "DocumentOptions",
    "Documents",
    "MailedLog",
    "Pointer",
    "Rejected",
    "Status",
    "open_document",
]
