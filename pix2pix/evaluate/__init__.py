"""Measures how good a model's photos are, on edge maps and on drawings by people.

    model = pix2pix.load("shoes")
    networks = FeatureNetworks(choose_device("auto"), subject="shoes")
    val = edges(list_pairs(Path("pairs/shoes"), "val"))
    for figure in measure(model, [val], networks, ["lpips", "kid"]):
        print(figure.metric, figure.estimate)

`metrics` is the registry, `figures` computes metrics over sketches and photos, `answers` generates each photo
once, `features` and `perceptual` are the pretrained networks, `colours` and `surfaces` measure pixels,
`estimates` is the arithmetic, `inputs` lists sketches and photos.
"""
