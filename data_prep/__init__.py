"""From pictures to a pairs folder that `pix2pix train` reads; no torch needed.

for result in prepare(Path("edges2shoes"), Path("pairs/shoes"), kind="ab"):
    print(result.source, result.status, result.reason or "")
"""

from data_prep.pairs import Prepared, prepare

__all__ = ["Prepared", "prepare"]
