import pytest

from search.options import make_parser


def test_nothing_but_a_space_must_be_given() -> None:
    options = make_parser().parse_args(["space.py"])
    assert (options.trials, options.workers, options.cohort) == (50, None, None)
    assert not options.as_worker


@pytest.mark.parametrize(("given", "size"), [("auto", "auto"), ("1", 1), ("16", 16)])
def test_a_cohort_has_a_size_or_is_left_to_the_machine(given: str, size: int | str) -> None:
    assert make_parser().parse_args(["space.py", "--cohort", given]).cohort == size


@pytest.mark.parametrize(
    ("option", "given"), [("--workers", "0"), ("--workers", "-1"), ("--cohort", "some")]
)
def test_what_is_no_number_of_workers_or_members_is_refused(
    option: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        make_parser().parse_args(["space.py", option, given])
    assert refused.value.code == 2
    assert option in capsys.readouterr().err


def test_how_workers_are_started_is_not_offered_to_people() -> None:
    assert "--as-worker" not in make_parser().format_help()


def test_the_timeout_is_said_to_be_the_whole_searchs() -> None:
    described = " ".join(make_parser().format_help().split())
    assert "--timeout SECONDS the whole search's time, from when it is ready to train" in described
