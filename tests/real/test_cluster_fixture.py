"""The fixture `cluster` of `comitia.testing`, as a project of somebody else's uses it."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_a_cluster_is_started_as_marked_and_its_logs_are_shown_only_on_failure(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest, redis

        @pytest.mark.cluster(nodes=1, protocol="viewstamped", reads="index")
        def test_one_member_serves(cluster):
            assert redis.Redis(port=cluster.ports[1].redis).set("x", "1")

        @pytest.mark.cluster(nodes=1)
        def test_it_fails(cluster):
            assert cluster.status(1).protocol == "raft"
            assert cluster.leader() == 2

        @pytest.mark.cluster(protocol="nothing")
        def test_it_does_not_start(cluster):
            raise AssertionError("not reached")
        """
    )
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-p", "comitia.testing")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*n? ended with code 2; the end of *n?/log:*",
            "*no protocol 'nothing'*",
            "*the end of the log of n1*",
            "*serving*",
        ]
    )
    assert result.stdout.str().count("the end of the log of n1") == 1
