"""What `hubbub top` shows of what nodes say."""

from __future__ import annotations

from rich.console import Console

from hubbub.cli.top import Rates, table
from hubbub.ports import Activity, NodeRecord


def node(name: str, at: float, *figures: int, run: str = "r", load: int = 3) -> NodeRecord:
    return NodeRecord(name, run, f"ws://{name}/ws", load, 10, started=0.0, activity=Activity(at, *figures))


def shown(records: list[NodeRecord], rates: Rates) -> list[list[str]]:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table(records, rates, 7200.0))
    return [line.split() for line in capture.get().splitlines()]


def test_rates_are_what_was_done_between_two_words_of_a_node() -> None:
    rates = Rates()
    rates.take([node("a", 100.0, 10, 1000, 0)])
    assert rates.of("a") is None
    rates.take([node("a", 102.0, 30, 5000, 5)])
    rates.take([node("a", 102.0, 30, 5000, 5)])
    assert rates.of("a") == (10.0, 2000.0, 2.5)


def test_a_node_that_began_anew_is_not_taken_for_what_it_was() -> None:
    rates = Rates()
    rates.take([node("a", 100.0, 10, 10, 10)])
    rates.take([node("a", 102.0, 30, 30, 30)])
    rates.take([node("a", 103.0, 1, 1, 1, run="another")])
    assert rates.of("a") is None


def test_the_table_has_a_line_for_each_node_and_one_for_all() -> None:
    rates = Rates()
    rates.take([node("a", 100.0), node("b", 100.0)])
    records = [node("a", 102.0, 30, 5000, 5), node("b", 102.0, 2, 4, 5, load=10)]
    rates.take(records)
    assert shown(records, rates) == [
        ["NODE", "STATE", "CONNECTIONS", "FULL", "IN/s", "OUT/s", "NODES/s", "UP"],
        ["a", "up", "3", "███░░░░░░░", "30%", "15", "2,500", "2.5", "2h"],
        ["b", "up", "10", "██████████", "100%", "1.0", "2.0", "2.5", "2h"],
        ["2", "nodes", "13", "16", "2,502", "5.0"],
    ]
