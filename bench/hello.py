"""What PyTorch's processes say of themselves once they are ready."""

import json

import torch


def blas():
    """The BLAS library that this process has loaded, by its real file."""
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "/" in line}
    names = sorted(file for file in files if any(part in file for part in ("blas", "mkl_rt")))
    return names or ["none that is known"]


def hello():
    torch.mm(torch.ones(64, 64), torch.ones(64, 64))
    print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads(), "blas": blas()}), flush=True)
