"""Every op a plan row may have, its attributes, its shape arithmetic and its cost.

| op | inputs | attributes |
|---|---|---|
| input | - | - |
| normalize | 1 | mean, std: tuples of floats, one per channel; (x - mean) / std in float32 |
| conv | 1 | filters, kernel, stride, padding (same, valid), groups, bias, kernel_initializer, bias_initial |
| conv1d | 1 | filters, kernel, padding (same), bias, kernel_initializer; over (length, channels) |
| dense | 1 | units, bias, kernel_initializer, bias_initial |
| norm | 1 | epsilon, momentum, gamma_initial (0.0 or 1.0) |
| activation | 1 | function: an `Activation` of the spec, or sigmoid |
| pad | 1 | amounts: ((top, bottom), (left, right)); value: 0.0 or -inf |
| pad_channels | 1 | before, after |
| subsample | 1 | stride: every stride-th pixel |
| max_pool, average_pool | 1 | size, stride, padding (same, valid) |
| blur | 1 | stride; [1, 2, 1] x [1, 2, 1] / 16 with reflected borders |
| global_average_pool, global_max_pool | 1 | keep_dimensions: bool |
| flatten | 1 | - |
| reshape | 1 | shape |
| dropout | 1 | rate; whole: True draws once for the whole batch (stochastic depth) |
| rescale | 1 | scale, offset: x * scale + offset with two numbers |
| scale | 1 | granularity (scalar, channel), initial: a learned factor |
| add, subtract, multiply | 2 | - ; broadcasting (1, 1, c) over (h, w, c) is allowed |
"""
