from hubbub.collab import window as module
from hubbub.collab.changes import ChangeSet
from hubbub.collab.records import Record, encode_record
from hubbub.collab.window import Edit, Window, make_edit, read_edit


def edit(revision: int, changes: ChangeSet) -> Edit:
    record = Record(changes.to_json(), "0a", revision, "ann", 1)
    return make_edit(revision, changes, record, encode_record(record))


def test_it_is_bounded() -> None:
    window = Window(0, most=10, most_cost=10_000)
    for revision in range(2, 200, 2):
        window.add(edit(revision, ChangeSet.replace(revision, 0, 0, "x")))
        assert len(window.edits) <= 20
        for at in range(window.start, revision + 1):
            assert [one.revision for one in window.after(at)] == [n for n in range(2, revision + 1, 2) if n > at]
    assert window.length_at(window.end) is None
    assert window.length_at(window.end - 1) == window.end
    for revision in range(200, 300):
        window.add(edit(revision, ChangeSet.replace(0, 0, 0, "x" * 6000)))
    assert len(window.edits) < 8


def test_of_old_edits_there_is_only_the_record_until_they_are_asked_for() -> None:
    window = Window(0)
    sizes = (
        [1, 30_000, 1, 1, 50_000, 30_000, 1]
        + [1] * 3000
        + [200_000, 1]
        + [500_000, 600_000, 700_000, 1] * 3
        + [9] * 5000
    )
    length = 0
    for revision, size in enumerate(sizes, 1):
        window.add(edit(revision, ChangeSet.replace(length, length, 0, "x" * size)))
        length += size
        whole = [one for one in window.edits if one._changes is not None]
        assert whole == window.edits[len(window.edits) - len(whole) :], "the newest"
        assert whole, "the last one is always at hand"
        assert len(whole) == 1 or sum(one.cost for one in whole) <= module._FRESH_COST
        assert window._fresh_cost == sum(one.cost for one in whole)
    oldest = window.edits[0]
    assert oldest._changes is None
    again = read_edit(oldest.revision, oldest.data)
    assert (oldest.changes, oldest.record) == (again.changes, again.record)
    assert oldest.changes.new_length == oldest.changes.length + 9
