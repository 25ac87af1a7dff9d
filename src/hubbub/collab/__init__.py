"""Collaborative documents: a document is a channel, its log has its operations, its revision is an offset."""

from hubbub.collab.changes import ChangeSet
from hubbub.collab.documents import Documents
from hubbub.collab.options import DocumentOptions

__all__ = ["ChangeSet", "DocumentOptions", "Documents"]
