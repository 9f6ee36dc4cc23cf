"""How good a model's photos are: figures of `METRICS`, on edge maps and on what people draw.

    model = pix2pix.load("shoes")
    judges = Judges(choose_device("auto"), subject="shoes")
    val = edges(list_pairs(Path("pairs/shoes"), "val"))
    for figure in measure(model, [val], judges, ["lpips", "kid"]):
        print(figure.metric, figure.estimate)

`metrics` is the registry, `figures` goes through sketches and photos, `answers` makes every photo once,
`judges` are the networks that look, `estimates` the pure arithmetic, `inputs` what is measured on.
"""
