"""How the mixture is turned into movement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """How the mixture is turned into movement."""

    temperature: float = 1.0
    """share of each Gaussian's deviation that is used, at energy 1"""
    noise_persistence: float = 0.6
    """correlation of the Gaussians' noise from frame to frame: plans that were made one after the other are
    averaged, and with independent noise the mean moves at half the speed of what was learnt"""
    ensemble_decay: float = 0.8
    """weight of each plan relative to the next newer one when their steps are averaged"""
    emotion_guidance: float = 0.55
    """how much further than in training the emotion that the network hears lies from the mean of all: in the
    spirit of guidance (Ho & Salimans 2022, arXiv:2207.12598), which extrapolates what comes out, at no cost"""
    exemplar_seconds: float = 4.0
    """mean seconds for which one exemplar is asked, as long as actors keep to one"""
    descriptor_noise: float = 0.2
    """standard deviation of the noise added to the exemplar's descriptor"""
    sparsity_boost: float = 0.46
    """by how much descriptor_noise, and by which share temperature, grows in emotions that few exemplars are
    known of: what is known would soon be danced again"""
    speed_noise: float = 0.12
    """deviations of the logarithm of the speed asked for, by which it differs from that of the exemplar"""
    min_speed: float = 0.18
    """m/s, the lowest speed that is ever asked for: without it the dancer stands between two exemplars"""
    stage_radius: float = 2.5
    """metres from the middle of the stage where the dancer is being turned back; it begins at half of that"""
