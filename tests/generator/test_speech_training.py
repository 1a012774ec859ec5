"""The training code still makes weights the numpy network reads and agrees with."""

from __future__ import annotations

import numpy as np
import pytest

from primafacie.generator.speech import mel, net
from primafacie.generator.speech.phones import CLASS, Part
from primafacie.generator.training import augment, corpus

TEXTS = [f"People number {n} may buy five big maps of the moon before lunch." for n in range(24)]


def test_labels_follow_the_phones_and_their_shares():
    spans = [(0.10, 0.20, (Part(CLASS["aa"], 0.6), Part(CLASS["ih"], 0.4))), (0.20, 0.25, None)]
    labels = corpus.label(spans, 30)
    assert list(labels[:10]) == [CLASS["sil"]] * 10
    assert list(labels[10:20]) == [CLASS["aa"]] * 6 + [CLASS["ih"]] * 4
    assert list(labels[20:]) == [corpus.UNKNOWN] * 5 + [CLASS["sil"]] * 5


def test_no_held_out_voice_is_trained_on():
    trained = {f"fest-{v}" for v, row in corpus.FESTIVAL.items() if row[3] > 30}
    assert not trained & corpus.HELD_OUT


def test_every_distortion_keeps_sound_and_labels_together():
    rng = np.random.default_rng(0)
    said = next(corpus.espeak_utterances("x", ["en-us"], TEXTS[:1], rng))
    pcm = said.pcm.astype(np.float32) / 32768
    for _ in range(12):
        sound, labels = augment.augmented(pcm, said.labels, pcm.repeat(20), rng)
        assert abs(len(sound) // corpus.HOP - len(labels)) <= 1
        assert np.isfinite(sound).all()
    assert np.abs(augment.whispered(pcm, rng)).max() > 0.01


@pytest.mark.slow
def test_training_learns_and_its_weights_mean_the_same_in_numpy(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from primafacie.generator.training import train

    rng = np.random.default_rng(1)
    corpus.save(tmp_path / "train.npz",
                list(corpus.espeak_utterances("x", ["en-us"], TEXTS, rng)))  # fmt: skip
    monkeypatch.setattr(train, "COPIES", 0)
    monkeypatch.setattr(train, "BATCH", 16)
    model, prior, pairs = train.train(tmp_path, 60)
    train.save(model, prior, pairs, tmp_path / "speech.npz")
    read = net.read((tmp_path / "speech.npz").read_bytes())
    with np.load(tmp_path / "train.npz") as data:
        pcm, labels = data["pcm"][:160_000], data["labels"]
    heard = mel.features(pcm.astype(np.float32) / 32768)
    ours = net.log_posteriors(heard, read)
    with torch.no_grad():
        theirs = torch.log_softmax(model(torch.from_numpy(heard)[None]), -1)[0].numpy()
    assert float(np.abs(ours - theirs).max()) < 0.05  # the file holds half precision
    right = (ours.argmax(1) == labels[: len(ours)]).mean()
    assert right > 0.4  # one in 26 by chance
