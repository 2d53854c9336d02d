"""A torchvision architecture with random weights and ten classes, as NAME.onnx, NAME.safetensors (its parameters) and
NAME.golden.safetensors: what it answers in evaluation and in training mode, with every gradient and running statistic,
computed in float64. Usage: export.py FOLDER NAME [OPSET], or export.py --list."""

import copy
import json
import os
import struct
import sys
import warnings

import torch
import torchvision

# Those of torchvision's models that are convnets for classification or segmentation.
FAMILIES = (
    "alexnet vgg resnet wide_resnet resnext densenet googlenet inception squeezenet shufflenet mobilenet mnasnet "
    "efficientnet regnet convnext fcn deeplabv3 lraspp"
).split()
# Its file would have more than the two gigabytes that ONNX keeps in one.
TOO_LARGE = {"regnet_y_128gf"}
SIDES = {"alexnet": 224, "vgg": 224, "inception": 96}
CLASSES = 10
CHOSEN = 1


def architectures():
    modules = (torchvision.models, torchvision.models.segmentation)
    names = [name for module in modules for name in torchvision.models.list_models(module=module)]
    return [name for name in names if name.startswith(tuple(FAMILIES)) and name not in TOO_LARGE]


def logits_of(model, image):
    answer = model(image)
    return answer["out"] if isinstance(answer, dict) else answer


def build(name):
    options = {"num_classes": CLASSES, "weights": None}
    if name in torchvision.models.list_models(module=torchvision.models.segmentation):
        options["weights_backbone"] = None
    if name.startswith(("googlenet", "inception")):
        options |= {"init_weights": True, "aux_logits": False}
    network = torchvision.models.get_model(name, **options)
    # Numbers that no two tensors share, as after training.
    for module in network.modules():
        for key, parameter in module.named_parameters(recurse=False):
            if key == "bias":
                torch.nn.init.normal_(parameter, 0, 0.07)
            elif parameter.dim() == 1:
                torch.nn.init.normal_(parameter, 0.7, 0.1)
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


def calm(model):
    """Training mode: batch statistics, but dropout and stochastic depth off."""
    model.train()
    for module in model.modules():
        if "Dropout" in type(module).__name__ or type(module).__name__ == "StochasticDepth":
            module.eval()


def answers(model, image, labels):
    """Every number that is recorded, by the precision of the image."""
    found = {}
    model = copy.deepcopy(model)
    parameters = list(model.named_parameters())

    def gradients(loss, prefix):
        grads = torch.autograd.grad(loss, [tensor for _, tensor in parameters])
        found.update({f"{prefix}.{name}": grad for (name, _), grad in zip(parameters, grads)})

    model.eval()
    image = image.clone().requires_grad_()
    logits = logits_of(model, image)
    found["logits"] = logits.detach()
    (found["dimage"],) = torch.autograd.grad(logits[:, CHOSEN].sum(), [image], retain_graph=True)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    found["eval_loss"] = loss.detach()
    gradients(loss, "eval_grad")
    calm(model)
    loss = torch.nn.functional.cross_entropy(logits_of(model, image.detach()), labels)
    found["loss"] = loss.detach()
    gradients(loss, "grad")
    for name, tensor in model.named_buffers():
        if "running_" in name:
            found[f"buffer.{name}"] = tensor
    return found


def deviations(exact, single):
    def magnitude(tensor):
        return tensor.abs().max().item()

    largest = {
        mode: max(magnitude(tensor) for name, tensor in exact.items() if name.startswith(mode))
        for mode in ("eval_grad.", "grad.")
    }
    found = {}
    for name, tensor in exact.items():
        floor = next((1e-3 * value for mode, value in largest.items() if name.startswith(mode)), 0)
        scale = max(magnitude(tensor), floor)
        found[name] = magnitude(single[name].double() - tensor) / scale if scale > 0 else 0
    return found


def save(path, tensors, metadata):
    header, data, offset = {"__metadata__": metadata}, [], 0
    for name, tensor in tensors.items():
        dtype, kind = ("I64", torch.int64) if tensor.dtype == torch.int64 else ("F32", torch.float32)
        written = tensor.detach().to(kind).contiguous().numpy().tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(written)]}
        data.append(written)
        offset += len(written)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for each in data:
            file.write(each)


def export(folder, name, opset=16):
    torch.manual_seed(1)
    model = build(name)
    side = next((side for family, side in SIDES.items() if name.startswith(family)), 64)
    image = torch.randn(2, 3, side, side)
    model.eval()
    path = os.path.join(folder, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (image,),
            f"{path}.onnx",
            # Keeps batch normalisation, which evaluation mode would merge into the convolutions.
            training=torch.onnx.TrainingMode.PRESERVE,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=opset,
            # Folding writes transposed copies of weights in place of the weights and their names.
            do_constant_folding=False,
        )
    state = model.state_dict()
    save(f"{path}.safetensors", state, {"architecture": name, "num_classes": str(CLASSES)})
    with torch.no_grad():
        labels = torch.randint(CLASSES, (2, *logits_of(model, image).shape[2:]))
    single = answers(model, image, labels)
    exact = answers(model.double(), image.double(), labels)
    deviation = json.dumps({key: float(f"{value:.3g}") for key, value in deviations(exact, single).items()})
    save(f"{path}.golden.safetensors", {"image": image, "labels": labels, **exact}, {"deviation": deviation})


if sys.argv[1:] == ["--list"]:
    print("\n".join(architectures()))
else:
    export(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
