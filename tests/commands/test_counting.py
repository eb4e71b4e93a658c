from commands.counting import counted


def test_one_thing_is_one_and_many_are_many() -> None:
    assert counted(1, "trial") == "1 trial"
    assert counted(0, "trial") == "0 trials"
    assert counted(2000, "study", "studies") == "2,000 studies"
