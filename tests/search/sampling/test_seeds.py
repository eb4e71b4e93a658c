from search.sampling.seeds import derive, member_seed


def test_a_seed_depends_on_every_part_and_on_nothing_else() -> None:
    assert derive(0, "sampler", 3) == derive(0, "sampler", 3)
    others = {derive(1, "sampler", 3), derive(0, "member", 3), derive(0, "sampler", 4)}
    assert len(others | {derive(0, "sampler", 3)}) == 4


def test_seeds_stay_the_same_from_version_to_version() -> None:
    # Written down once: a study must continue under a later version as it began.
    assert (derive(0, "sampler", 0), member_seed(7, 12)) == (1811180305, 881539821)


def test_seeds_fit_into_31_bits_and_parts_do_not_run_together() -> None:
    assert all(0 <= derive(0, "member", number) < 2**31 for number in range(1000))
    assert derive(1, 12) != derive(11, 2)
