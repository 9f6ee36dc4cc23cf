"""How good a model's photos are: figures of `METRICS`, on edge maps and on what people draw.

    model = pix2pix.load("shoes")
    judges = Judges(choose_device("auto"), subject="shoes")
    for figure in measure(model, [edges(Path("pairs/shoes"))], judges, ["lpips", "kid"]):
        print(figure.metric, figure.estimate)

`metrics` is the registry, `figures` goes through sketches and photos, `answers` makes every photo once,
`judges` are the networks that look, `estimates` the pure arithmetic, `inputs` what is measured on.
"""
