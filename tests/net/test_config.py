"""Settings: a file, then variables, then flags; what cannot be used is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from comitia.net.book import Address
from comitia.net.config import Config, ConfigError, load


def test_flags_outweigh_variables_which_outweigh_the_file(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(
        'cluster = "demo"\nnode = 2\nreads = "index"\nredis = "10.0.0.2:7001"\n'
        '[members]\n1 = "10.0.0.1:7101"\nn2 = "10.0.0.2:7101"\n'
        "[options]\nelection_timeout_ms = 900\n"
    )
    environment = {"COMITIA_READS": "stale", "COMITIA_HTTP": "127.0.0.1:9000", "COMITIA_NODE": "3"}
    config = load(path, environment, {"node": 1, "redis": None})
    assert (config.cluster, config.node, config.reads) == ("demo", 1, "stale")
    assert (config.redis, config.http) == ("10.0.0.2:7001", "127.0.0.1:9000")
    assert config.founders() == {1: Address("10.0.0.1", 7101), 2: Address("10.0.0.2", 7101)}
    assert config.options == {"election_timeout_ms": 900}


def test_members_and_options_are_lists_of_pairs_in_variables() -> None:
    config = load(None, {"COMITIA_MEMBERS": "1=a:1, n2=b:2", "COMITIA_OPTIONS": "x=1,y=true"}, {})
    assert config.founders() == {1: Address("a", 1), 2: Address("b", 2)}
    assert config.options == {"x": "1", "y": "true"}


def test_without_members_a_node_is_a_cluster_of_one() -> None:
    assert Config().founders() == {1: Address("127.0.0.1", 7101)}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"node": 0}, "node"),
        ({"reads": "dirty"}, "reads"),
        ({"log_level": "loud"}, "log_level"),
        ({"redis": "here"}, "redis"),
        ({"members": {"first": "a:1"}}, "members"),
        ({"members": {"1": "a"}}, "members"),
        ({"cluster": ""}, "cluster"),
        ({"nod": 1}, "nod"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(None, {}, settings)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load(tmp_path / "none.toml", {}, {})
    (tmp_path / "bad.toml").write_text("x = = 1")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        load(tmp_path / "bad.toml", {}, {})
