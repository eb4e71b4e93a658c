from commands.nearest import did_you_mean

KNOWN = ("depth", "width", "width_growth", "dense_width")


def test_the_nearest_name_is_asked_for() -> None:
    assert did_you_mean("witdh", KNOWN) == "; did you mean width?"
    assert did_you_mean("dense_widht", KNOWN) == "; did you mean dense_width?"


def test_several_names_may_be_proposed_the_nearest_first() -> None:
    asked = did_you_mean("width_grow", KNOWN, n_most=3)
    assert asked == "; did you mean width_growth or width?"


def test_nothing_is_said_without_a_guess() -> None:
    assert did_you_mean("momentum", KNOWN) == did_you_mean("depth", ()) == ""
