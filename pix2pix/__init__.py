"""Sketches to photos: `pix2pix.load("shoes").translate("drawing.png", seed=7)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Translator", "__version__", "load"]

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator, load


def __getattr__(name: str) -> Any:
    """Imports the Translator when it is first used, so that `import pix2pix` is fast."""
    if name in ("Translator", "load"):
        from pix2pix.inference import translator

        return getattr(translator, name)
    raise AttributeError(f"module 'pix2pix' has no attribute {name!r}")
