"""Laundering and framing: what they do to a picture, and that the measurement is a fair one."""

import io

import numpy as np
import pytest
from helpers import make_picture

pytest.importorskip("matplotlib", reason="the bench needs the extra bench")
from PIL import Image

from benchmarks import attacks, laundering
from benchmarks.harness.config import Config, Pictures
from benchmarks.harness.store import Store

CONFIG = '[[sets]]\nname = "one"\ntitle = "One"\nreal = "real"\nfake = "fake"\n'
SIDE = 96


def noise(seed: int, spread: float) -> np.ndarray:
    """White noise, the three channels independent, that no clipping reaches."""
    values = np.random.default_rng(seed).normal(128, spread, (SIDE, SIDE, 3))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def rings_of(pixels: np.ndarray) -> np.ndarray:
    return laundering.average_spectra([pixels]).rings


class TestSpectrum:
    aim = laundering.average_spectra([noise(seed, 20.0) for seed in range(4)])

    def test_a_picture_with_the_average_spectrum_stays(self):
        picture = make_picture(0, asynchrony=0.3, size=SIDE)
        own = laundering.average_spectra([picture])
        for attack in (laundering.with_rings, laundering.with_plane):
            assert np.abs(attack(picture, own).astype(int) - picture).max() <= 1

    @pytest.mark.parametrize("attack", [laundering.with_rings, laundering.with_plane])
    def test_the_power_becomes_that_of_the_others(self, attack):
        before = noise(9, 10.0)
        fast = slice(6, 60)  # rings; the slow ones are left alone, the last hold few waves
        after = rings_of(attack(before, self.aim))[fast]
        assert after == pytest.approx(self.aim.rings[fast], abs=0.35)
        assert (after - rings_of(before)[fast]).mean() == pytest.approx(2 * np.log(2), abs=0.1)

    @pytest.mark.parametrize("attack", [laundering.with_rings, laundering.with_plane])
    def test_slow_waves_stay(self, attack):
        slow = 128 + 60 * np.cos(2 * np.pi * 2 * np.arange(SIDE) / SIDE)
        picture = np.tile(np.rint(slow).astype(np.uint8)[:, None, None], (1, SIDE, 3))
        tame = laundering.average_spectra([picture])
        assert np.abs(attack(picture, tame).astype(int) - picture).max() <= 1
        waves = np.fft.rfft(attack(noise(9, 10.0), self.aim)[..., 0].mean(axis=1))
        assert np.abs(waves[:3]) == pytest.approx(
            np.abs(np.fft.rfft(noise(9, 10.0)[..., 0].mean(axis=1))[:3]), rel=0.05, abs=1.0
        )

    def test_one_factor_for_all_keeps_what_the_channels_share(self):
        grey = np.repeat(noise(9, 10.0)[..., :1], 3, axis=-1)
        coloured = self.aim.rings + np.array([-1.0, 0.0, 1.0])
        aim = self.aim._replace(rings=coloured)
        assert np.ptp(laundering.with_rings(grey, aim, together=True), axis=-1).max() == 0
        assert np.ptp(laundering.with_rings(grey, aim), axis=-1).max() > 20

    def test_odd_sizes_keep_theirs(self):
        odd = noise(3, 10.0)[:61, :71]
        own = laundering.average_spectra([odd])
        for attack in (laundering.with_rings, laundering.with_plane):
            assert np.abs(attack(odd, own).astype(int) - odd).max() <= 1


class TestChroma:
    def test_colour_that_changes_from_pixel_to_pixel_goes_and_luma_stays(self):
        board = np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 2 - 1
        planes = np.full((SIDE, SIDE, 3), 128, np.uint8)
        planes[..., 1] = 128 + 30 * board
        planes[..., 0] = 100 + 20 * board
        before = np.asarray(Image.fromarray(planes, "YCbCr").convert("RGB"))
        after = Image.fromarray(laundering.coarse_chroma(before, 2)).convert("YCbCr")
        luma, blue, _ = (np.asarray(plane, int) for plane in after.split())
        assert np.abs(luma - planes[..., 0]).max() <= 2
        assert np.abs(blue - 128).max() <= 2

    @pytest.mark.parametrize("factor", [2, 4])
    def test_a_grey_picture_stays(self, factor):
        grey = np.repeat(noise(0, 20.0)[..., :1], 3, axis=-1)
        assert np.abs(laundering.coarse_chroma(grey, factor).astype(int) - grey).max() <= 1

    def test_the_coarser_the_farther(self):
        before = make_picture(0, asynchrony=0.5, size=SIDE)
        close, far = (
            laundering.signal_to_noise(before, laundering.coarse_chroma(before, factor))
            for factor in (2, 4)
        )
        assert far < close


class TestStrength:
    def test_signal_to_noise(self):
        before = np.full((8, 8, 3), 100, np.uint8)
        assert laundering.signal_to_noise(before, before + 1) == pytest.approx(48.1308, abs=1e-4)
        assert laundering.signal_to_noise(before, before) == np.inf

    def test_similarity_of_even_greys_is_that_of_the_formula(self):
        x, y, c1 = 2.0, 5.0, (0.01 * 255) ** 2
        planes = [np.full((32, 32, 3), value, np.uint8) for value in (x, y)]
        expected = (2 * x * y + c1) / (x * x + y * y + c1)
        assert laundering.similarity(*planes) == pytest.approx(expected, abs=1e-3)

    def test_similarity_of_a_negative_is_negative(self):
        fine = noise(0, 30.0)
        assert laundering.similarity(fine, 255 - fine) < -0.8

    def test_similarity_falls_with_noise(self):
        picture = make_picture(0, asynchrony=0.3, size=SIDE)
        found = [laundering.similarity(picture, picture)]
        for spread in (5, 20):
            dirt = np.random.default_rng(0).normal(0, spread, picture.shape)
            found.append(
                laundering.similarity(picture, np.clip(picture + dirt, 0, 255).astype(np.uint8))
            )
        assert found[0] == pytest.approx(1)
        assert found[0] > found[1] > found[2]

    def test_edits_are_light_and_the_same_again(self):
        picture = make_picture(0, asynchrony=0.1, size=SIDE)
        one, other = (
            [laundering.edited(picture, rng) for _ in range(12)]
            for rng in (np.random.default_rng(5), np.random.default_rng(5))
        )
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        assert len({edit.tobytes() for edit in one}) == 12
        for edit in one:
            assert np.abs(np.array(edit.shape[:2]) / SIDE - 1).max() < 0.03


def test_posting_is_what_pillow_does():
    picture = make_picture(0, asynchrony=0.3, size=SIDE)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=75, subsampling="4:2:0")
    assert np.array_equal(laundering.posted(picture), np.asarray(Image.open(file)))


@pytest.fixture
def pictures(picture_folders, tmp_path) -> Pictures:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    config = Config(path, [picture_folders], Store(tmp_path, 1))
    return config.pictures(config.sets[0])


class TestMeasuring:
    def test_the_files_tell_nothing(self, pictures):
        facts = [attacks._stored(attacks._read(path))[1] for path in pictures.paths]
        assert {(fact.coding, fact.n_bytes, fact.format) for fact in facts} == {
            ("lossless", facts[0].n_bytes, "BMP")
        }
        assert attacks._files_alone(pictures) == pytest.approx(0.5)

    def test_the_adversary_has_none_of_the_pictures_tested_nor_of_the_defenders(
        self, pictures, monkeypatch
    ):
        used: list[set[str]] = []

        class Enough(Exception):
            pass

        def stop(*_: object) -> None:
            raise Enough

        monkeypatch.setattr(attacks, "_read", lambda path: path)
        monkeypatch.setattr(attacks, "average_spectra", lambda paths: used.append(set(paths)))
        monkeypatch.setattr(attacks, "_detectors", stop)
        rows, left_out = pictures.partitions[0][0]
        with pytest.raises(Enough):
            attacks._fold(pictures, {}, rows, left_out)
        fakes, reals, defenders = used
        tested = {pictures.paths[i] for i in left_out}
        assert not tested & (fakes | reals | defenders)
        assert not reals & defenders
        assert min(map(len, used)) >= 6
        assert all("fake" in path for path in fakes)
        assert all("real" in path for path in reals | defenders)

    def test_fewer_pictures_are_spread_and_stay_in_pairs(self, pictures):
        fewer = attacks._fewer(pictures, 5)
        numbers = [path[-6:-4] for path in fewer.paths]
        assert numbers == ["00", "04", "08", "12", "16"] * 2
        assert fewer.y.tolist() == [0] * 5 + [1] * 5
        assert len(attacks._fewer(pictures, 100).paths) == 40

    def test_a_share_has_an_exact_interval(self):
        hits = attacks.pd.Series([False] * 20)
        assert attacks._share(hits) == "0 (0-17)"  # 1 - 0.025 ** (1 / 20)
        assert attacks._share(hits[:0]) == "-"
