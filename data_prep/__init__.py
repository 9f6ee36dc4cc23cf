"""From pictures to a pairs folder that `pix2pix train` reads; importing it needs no torch.

for result in prepare(Path("shoe-photos"), Path("pairs/shoes"), kind="photos"):
    print(result.source, result.status, result.reason or "")
"""

from data_prep.prepare import Prepared, prepare

__all__ = ["Prepared", "prepare"]
