"""Reading and writing pictures: files, ink on paper, framing, the subject of a photo and its mask."""
