"""Makes a pairs folder for `pix2pix train` from pictures. Importing it does not import torch.

for result in prepare(Path("shoe-photos"), Path("pairs/shoes"), kind="photos"):
    print(result.source, result.status, result.reason or "")
"""

from data_prep.prepare import Prepared, prepare

__all__ = ["Prepared", "prepare"]
