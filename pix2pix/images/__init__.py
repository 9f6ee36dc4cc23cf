"""Pictures in and out: files, paper and ink, framing, the subject of a photo and its mask."""
