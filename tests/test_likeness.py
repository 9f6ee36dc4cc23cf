"""Copies of a photo are found; other subjects, and the same one in another colour, are not."""

from __future__ import annotations

import tarfile
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from products import product, recompressed

from data_prep.near_duplicates import WORDS, HashIndex, near_duplicates, perceptual_hash
from pix2pix.images.io import read_photo
from pix2pix.images.subject import squared

PHOTOS = [product(seed) for seed in range(60)]


def resized(photo: np.ndarray, scale: float) -> np.ndarray:
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=how))


def margined(photo: np.ndarray) -> np.ndarray:
    return np.pad(photo, ((30, 70), (90, 10), (0, 0)), constant_values=255)


@pytest.mark.parametrize(
    "copy",
    [
        recompressed,
        lambda photo: resized(photo, 0.5),
        lambda photo: resized(photo, 3.0),
        lambda photo: photo[5:-5, 5:-5],
        lambda photo: np.clip(photo * 1.05, 0, 255).astype(np.uint8),
        lambda photo: (photo * 0.9).astype(np.uint8),
        margined,
        lambda photo: squared(photo, "pad", 256),
        lambda photo: squared(photo, "stretch", 256),
    ],
    ids=["jpeg", "smaller", "larger", "cropped", "brighter", "darker", "margin", "padded", "stretched"],
)
def test_a_copy_is_a_near_duplicate_of_its_photo_and_of_no_other(copy: object) -> None:
    assert callable(copy)
    copies = [perceptual_hash(np.ascontiguousarray(copy(photo))) for photo in PHOTOS]
    hashes = np.stack([*map(perceptual_hash, PHOTOS), *copies])
    assert hashes.shape == (120, WORDS) and hashes.dtype == np.uint64
    assert near_duplicates(hashes) == [(i, i + 60) for i in range(60)]


def test_the_same_subject_in_another_colour_is_another_photo() -> None:
    for photo in PHOTOS[:20]:
        recoloured = np.ascontiguousarray(photo[..., ::-1])
        if np.abs(photo.astype(int) - recoloured).mean() > 8:
            assert near_duplicates(np.stack([perceptual_hash(photo), perceptual_hash(recoloured)])) == []


def test_white_subjects_are_not_all_alike() -> None:
    white = [(255 - (255 - photo.astype(int)) // 10).astype(np.uint8) for photo in PHOTOS]
    assert near_duplicates(np.stack([perceptual_hash(photo) for photo in white])) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (80, 60, 3)])
def test_pictures_with_nothing_to_see_have_a_hash_too(shape: tuple[int, ...]) -> None:
    for level in (0, 255):
        one = perceptual_hash(np.full(shape, level, np.uint8))
        assert near_duplicates(np.stack([one, one])) == [(0, 1)]


def test_a_hash_index_finds_what_the_whole_comparison_finds() -> None:
    rng = np.random.default_rng(1)
    levels = rng.integers(118, 139, (1500, 8 * WORDS)).astype(np.uint8)
    levels[rng.integers(0, 1500, 200)] = levels[rng.integers(0, 1500, 200)]
    levels[7] = levels[3]
    hashes = levels.view(np.uint64)
    pairs = near_duplicates(hashes)
    assert (3, 7) in pairs and pairs == sorted(pairs)
    hash_index, found = HashIndex(), []
    for index, likeness in enumerate(hashes):
        found += [(earlier, index) for earlier in hash_index.like(likeness)]
        hash_index.add(likeness)
    assert sorted(found) == pairs


def test_twenty_thousand_photos_are_compared_quickly() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**64, (20_000, WORDS), np.uint64)
    hashes[19_999] = hashes[0]
    began = time.process_time()
    assert near_duplicates(hashes) == [(0, 19_999)]
    assert time.process_time() - began < 30  # 3 s on an idle core


def test_real_shoes_copies_are_found_and_few_others(real_data: Path, tmp_path: Path) -> None:
    photos = []
    with tarfile.open(real_data / "edges2shoes.tar") as tar:
        for member in tar.getmembers():
            if member.isfile() and "/train/" in member.name and len(photos) < 300:
                tar.extract(member, tmp_path, filter="data")
                photos.append(read_photo(tmp_path / member.name)[:, 256:])
    hashes = np.stack([perceptual_hash(photo) for photo in photos])
    copies = np.stack(
        [perceptual_hash(recompressed(resized(photo[4:-4, 4:-4], 0.7), 60)) for photo in photos]
    )
    pairs = near_duplicates(np.concatenate([hashes, copies]))
    assert len(photos) == 300
    assert len([pair for pair in pairs if pair[1] == pair[0] + 300]) >= 290
    others = [pair for pair in pairs if pair[1] < 300]
    assert len(others) <= 6
    assert max(Counter(index for pair in others for index in pair).values(), default=0) <= 3
