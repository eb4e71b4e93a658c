import torch

from mame_cnn.inputs.streaming import gathered, sent

CPU = torch.device("cpu")


def test_sent_images_are_those_of_the_rows() -> None:
    images = torch.arange(7 * 2 * 2 * 3, dtype=torch.uint8).view(7, 2, 2, 3)
    rows = torch.tensor([[6, 0], [3, 3], [1, 5], [2, 4], [0, 6]])
    batches = [batch.clone() for batch in sent(images, rows, CPU)]
    assert len(batches) == len(rows)
    for batch, step_rows in zip(batches, rows, strict=True):
        assert torch.equal(batch, images[step_rows])


def test_a_batch_stays_while_the_next_is_gathered() -> None:
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1)
    batches = sent(images, torch.arange(6).view(3, 2), CPU)
    first, second = next(batches), next(batches)
    assert first.flatten().tolist() == [0, 1]
    assert second.flatten().tolist() == [2, 3]


def test_what_lies_on_the_device_is_not_sent() -> None:
    images = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1)
    kept = list(gathered(images, torch.arange(6).view(3, 2), CPU))
    assert [batch.flatten().tolist() for batch in kept] == [[0, 1], [2, 3], [4, 5]]
