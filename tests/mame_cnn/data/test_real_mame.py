from pathlib import Path

import pytest

from mame_cnn.data.layout import read_listing

REAL = Path(__file__).parents[4] / "shared" / "data" / "mame"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real MAMe metadata is not beside the checkout")
def test_the_real_metadata_give_every_image_its_split_and_medium() -> None:
    listing = read_listing(REAL)
    n_images = {split: len(items) for split, items in listing.splits.items()}
    assert n_images == {"train": 20_300, "val": 1_450, "test": 15_657}
    assert len(listing.classes) == 29
    assert listing.counts("train") == [700] * 29
    assert listing.counts("val") == [50] * 29
    assert (min(listing.counts("test")), max(listing.counts("test"))) == (95, 700)
    assert listing.classes[-1] == "Woven fabric"
    assert sum(i.name.endswith(".jpeg") for s in listing.splits.values() for i in s) == 6_965
