"""Which files below a folder are pictures, and where links to folders lead."""

from __future__ import annotations

from pathlib import Path

from pix2pix.images.listing import list_pictures, why_not_a_picture


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def listed(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The pictures, and the reason for each other file."""
    pictures, others = list_pictures(folder)
    reasons = {path.relative_to(folder).as_posix(): why_not_a_picture(path) for path in others}
    return [path.relative_to(folder).as_posix() for path in pictures], reasons


def test_a_linked_folder_is_read_as_if_it_were_there(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.png", "elsewhere/deep/b.png", "elsewhere/notes.txt", "third/c.png")
    (tmp_path / "in/more").symlink_to("../elsewhere")
    (tmp_path / "elsewhere/third").symlink_to(tmp_path / "third")
    assert listed(tmp_path / "in") == (
        ["a.png", "more/deep/b.png", "more/third/c.png"],
        {"more/notes.txt": "not a picture (suffix '.txt')"},
    )
    (tmp_path / "link").symlink_to("in")
    assert listed(tmp_path / "link") == listed(tmp_path / "in")


def test_a_folder_is_read_once_under_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path, "in/z/a.png", "out/deep/b.png")
    (tmp_path / "in/a-link").symlink_to("z")
    (tmp_path / "in/deep").symlink_to("../out/deep")
    (tmp_path / "in/out").symlink_to("../out")
    pictures, reasons = listed(tmp_path / "in")
    assert pictures == ["deep/b.png", "z/a.png"]
    assert reasons.keys() == {"a-link", "out/deep"}
    assert f"a link to {tmp_path.resolve() / 'in/z'}, which has been read" in reasons["a-link"]


def test_links_that_lead_back_end_and_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.png", "in/deep/b.png", "in/deep/deeper/c.png", "beside.png", "far/d.png")
    (tmp_path / "in/self").symlink_to(".")
    (tmp_path / "in/deep/up").symlink_to("../..")
    (tmp_path / "in/far").symlink_to("../far")
    (tmp_path / "far/back").symlink_to("../in/deep")
    pictures, reasons = listed(tmp_path / "in")
    assert pictures == ["a.png", "deep/b.png", "deep/deeper/c.png", "far/d.png"]
    assert reasons.keys() == {"self", "deep/up", "far/back"}
    assert "or is a parent folder" in reasons["deep/up"]


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "round").symlink_to("round")
    reason = "a link to a missing file"
    assert listed(tmp_path) == (["a.png"], {"gone": reason, "round": reason})
