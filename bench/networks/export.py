"""Writes a network as ONNX and a batch of images as plain float32. The one argument is the setting, as JSON."""

import json
import sys
import warnings

import torch
from networks import build, images

setting = json.loads(sys.argv[1])
model = build(setting["network"], setting["input"][0], setting["classes"]).eval()
image = images(setting["images"], setting["input"])
image.numpy().tofile(setting["imagesFile"])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch.onnx.export(
        model,
        (image[:2],),
        setting["file"],
        # Keeps batch normalisation, which evaluation mode would merge into the convolutions.
        training=torch.onnx.TrainingMode.PRESERVE,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=16,
        # Folding writes transposed copies of weights in place of the weights and their names.
        do_constant_folding=False,
    )
