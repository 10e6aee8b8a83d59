from pathlib import Path

import pytest

from bench import graph


def test_a_company_is_read_from_the_file_that_is_named_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "three.edges"
    file.write_text("5 7\n7 9\n")
    monkeypatch.setenv("GRAPH", str(file))

    company = graph.company()

    assert (company.name, company.people) == ("three, both ways", 3)
    assert sorted(company.follows) == [(0, 1), (1, 0), (1, 2), (2, 1)]
    assert [sorted(followers) for followers in company.followers()] == [[1], [0, 2], [1]]


def test_without_a_file_a_graph_of_the_same_size_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRAPH", raising=False)
    monkeypatch.setattr(graph, "_REED98", tmp_path / "absent")

    company = graph.company()

    counts = sorted(len(followers) for followers in company.followers())
    assert "generated" in company.name
    assert (company.people, len(set(company.follows))) == (962, 37_624)
    assert {(one, other) for other, one in company.follows} == set(company.follows)
    assert counts[-1] > 4 * counts[len(counts) // 2]
