import math

import torch

from models.network.mixture import Mixture, choose_component, negative_log_likelihood, sample_components


def two_gaussians() -> Mixture:
    return Mixture(
        torch.log(torch.tensor([0.25, 0.75])),
        torch.tensor([[0.0, 0.0], [3.0, 0.0]]),
        torch.log(torch.tensor([[1.0, 2.0], [0.5, 1.0]])),
    )


def test_the_likelihood_is_that_of_the_formula() -> None:
    target = torch.tensor([1.0, -1.0])

    def normal(x: float, mean: float, scale: float) -> float:
        return math.exp(-0.5 * ((x - mean) / scale) ** 2) / (scale * math.sqrt(2 * math.pi))

    density = 0.25 * normal(1, 0, 1) * normal(-1, 0, 2) + 0.75 * normal(1, 3, 0.5) * normal(-1, 0, 1)
    loss = negative_log_likelihood(two_gaussians(), target)
    assert math.isclose(float(loss), -math.log(density), rel_tol=1e-5)


def test_the_likelihood_stays_finite_far_away() -> None:
    assert torch.isfinite(negative_log_likelihood(two_gaussians(), torch.tensor([1e4, -1e4])))


def test_fresh_gumbel_noise_draws_components_by_their_weights() -> None:
    torch.manual_seed(0)
    noise = -torch.log(-torch.log(torch.rand(20_000, 2)))
    mixture = two_gaussians()
    many = Mixture(*(part.expand(20_000, *part.shape) for part in mixture))
    assert abs(float(choose_component(many.log_weights, noise).float().mean()) - 0.75) < 0.02


def test_held_noise_makes_the_same_choice() -> None:
    mixture, noise = two_gaussians(), torch.tensor([0.3, -0.2])
    assert choose_component(mixture.log_weights, noise) == choose_component(mixture.log_weights, noise) == 1


def test_samples_are_the_means_and_so_much_of_the_deviation() -> None:
    samples = sample_components(two_gaussians(), torch.tensor([0.5, -0.5]))
    torch.testing.assert_close(samples, torch.tensor([[0.5, -1.0], [3.25, -0.5]]))
