"""The formats of an edge list, and the plan that is made from it."""

from collections import Counter
from pathlib import Path

import pytest

from tools.seed import edge_list, plan
from tools.seed.edge_list import BadGraph
from tools.seed.plan import Options


def written(folder: Path, text: str) -> Path:
    file = folder / "office.txt"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_usual_form_of_an_edge_list_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, "# from to\n% also\n\n1 2\r\n2\t3\n3,1\n1 , 3\n1 2\n4 4\n")

    graph = edge_list.read(file)

    assert graph.nodes == [1, 2, 3, 4]
    assert graph.follows == [(1, 2), (2, 3), (3, 1), (1, 3)]


def test_an_undirected_line_is_two_follows(tmp_path: Path) -> None:
    graph = edge_list.read(written(tmp_path, "1 2\n2 1\n2 3\n"), undirected=True)

    assert graph.follows == [(1, 2), (2, 1), (2, 3), (3, 2)]


@pytest.mark.parametrize("line", ["1", "1 2 3", "1 ann", "-1 2", "1.5 2", "1;2"])
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadGraph, match=r"office\.txt, line 3: "):
        edge_list.read(written(tmp_path, f"# friends\n1 2\n{line}\n"))


def test_a_file_without_an_edge_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(BadGraph, match="contains no edge"):
        edge_list.read(written(tmp_path, "# nothing\n"))


def test_the_same_file_and_options_give_the_same_plan(tmp_path: Path) -> None:
    file = written(tmp_path, "\n".join(f"{one} {one + 1}" for one in range(30)))
    graph, options = edge_list.read(file), Options(tweets=8, likes=500)

    planned = plan.make(file, graph, options)

    assert planned == plan.make(file, graph, options)
    assert planned.digest != plan.make(file, graph, Options(tweets=8, likes=500, seed=2)).digest
    assert len(set(planned.names)) == 31
    assert all(f"office-{node}" in name for node, name in enumerate(planned.names))
    assert Counter(author for author, _ in planned.tweets) == dict.fromkeys(range(31), 8)
    assert len(set(planned.tweets)) == 31 * 8
    assert all(0 < len(text) <= 280 for _, text in planned.tweets)
    assert len(planned.with_picture) == 31 * 8 // 4


@pytest.mark.parametrize(("wanted", "possible"), [(0, 0), (7, 7), (100, 100), (161, 160)])
def test_the_plan_has_exactly_the_requested_number_of_distinct_likes(
    tmp_path: Path, wanted: int, possible: int
) -> None:
    file = written(tmp_path, "1 2\n2 3\n3 4\n")

    likes = plan.make(file, edge_list.read(file), Options(tweets=10, likes=wanted)).likes

    assert len(likes) == len(set(likes)) == possible
