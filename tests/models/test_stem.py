"""What the network is given beside RGB: stain channels, and a second crop around the center."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from atypica.core.errors import SettingsError
from atypica.models.stains import colors, densities
from atypica.models.stem import TwoFields, placement, widen_first_layer, with_densities


def crops(count=2, size=64):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 0.8 + 0.1


def test_densities_by_hand():
    # A pixel with twice hematoxylin's vector as its density, and nothing else.
    light = torch.pow(10.0, -2 * torch.tensor([0.65, 0.70, 0.29])).view(1, 3, 1, 1)
    np.testing.assert_allclose(densities(light).flatten(), [2, 0, 0], atol=1e-4)
    torch.testing.assert_close(colors(densities(crops())), crops(), atol=1e-4, rtol=0)


def test_six_channels_are_rgb_and_the_densities():
    six = with_densities(crops())
    assert six.shape == (2, 6, 64, 64)
    torch.testing.assert_close(six[:, :3], crops())
    torch.testing.assert_close(six[:, 3:], densities(crops()))


def test_a_widened_layer_says_of_doubled_rgb_what_it_said_of_rgb():
    backbone = timm.create_model("test_efficientnet", num_classes=0).eval()
    before = backbone.forward_features(crops())
    widen_first_layer(backbone, 6)
    after = backbone.forward_features(torch.cat([crops(), crops()], dim=1))
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


class Pixels(nn.Module):
    """A backbone whose map is the crop averaged over 2 x 2 places."""

    num_features = 3

    def forward_features(self, crops):
        return nn.functional.adaptive_avg_pool2d(crops, 2)

    def forward_intermediates(self, crops, indices):
        return self.forward_features(crops), [crops, self.forward_features(crops)][-indices:]


@pytest.mark.parametrize("share", [0.5, 0.625, 0.8])
@pytest.mark.parametrize("side", [2, 4, 7])
def test_the_center_lies_in_its_place_and_its_sum_stays(side, share):
    placed = placement(side, share)
    np.testing.assert_allclose(placed.sum(0), 1, atol=1e-6)
    edge = side * (1 - share) / 2
    within = [max(0, min(place + 1, side - edge) - max(place, edge)) for place in range(side)]
    np.testing.assert_allclose(placed.sum(1), np.array(within) / share, atol=1e-6)


def test_two_fields_see_the_whole_and_the_center():
    image = torch.zeros(1, 3, 64, 64)
    image[..., 16:48, 16:48] = 1
    network = TwoFields(Pixels(), 0.5)
    features = network.forward_features(image)
    assert network.num_features == 6
    assert features.shape == (1, 6, 2, 2)
    np.testing.assert_allclose(features.mean((2, 3))[0], [0.25] * 3 + [1] * 3, atol=1e-5)
    again, stages = network.forward_intermediates(image, 1)
    torch.testing.assert_close(again, features)
    assert stages[0].shape == (1, 6, 2, 2)


def test_a_network_without_a_first_convolution_refuses_more_channels():
    network = nn.Linear(2, 2)
    network.pretrained_cfg = {"first_conv": None}
    with pytest.raises(SettingsError, match="three channels"):
        widen_first_layer(network, 6)
