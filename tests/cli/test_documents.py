"""Where `hubbub serve` keeps documents, and what it says where it cannot."""

import pytest

from hubbub import ConfigurationError, Hubbub
from hubbub.cli.documents import serve_documents
from hubbub.collab import Documents

POSTGRES = "postgresql://ann@127.0.0.1:1/d"


async def test_they_are_with_the_log_where_that_can_keep_them() -> None:
    assert isinstance(serve_documents(Hubbub()), Documents)
    assert isinstance(serve_documents(Hubbub(backend="redis://127.0.0.1:1/0")), Documents)
    assert serve_documents(Hubbub(documents="off")) is None
    assert serve_documents(Hubbub(log="kafka://127.0.0.1:1/t")) is None, "it cannot append on condition"


async def test_nodes_that_share_a_log_and_nothing_else_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"documents: .* set `backend`"):
        serve_documents(Hubbub(log="kafka://127.0.0.1:1/t", documents=POSTGRES))


async def test_documents_may_be_elsewhere_than_what_nodes_share() -> None:
    for log in ("", "memory", "kafka://127.0.0.1:1/t"):
        assert serve_documents(Hubbub(log=log, backend="redis://127.0.0.1:1/0", documents=POSTGRES)) is not None
