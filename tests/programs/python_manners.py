# Deterministic: prints the same under both. Tensors among Python's and NumPy's things; modules taken apart; graphs; loaders.
import collections
import copy
import math
import os
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


def fix(m):
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_((torch.arange(p.numel(), dtype=p.dtype) * 0.7 + i).sin().reshape(p.shape) * 0.3)
    return m


def show(*ts):
    for t in ts:
        if isinstance(t, (tuple, list)):
            show(*t)
            continue
        d = t.detach().double()
        print(tuple(t.shape), t.dtype, [round(float(v), 2) + 0.0 for v in (d.sum(), d.abs().max() if d.numel() else d.sum())])


def data(*s, k=0.37):
    return (torch.arange(math.prod(s), dtype=torch.float32) * k + 0.1).sin().reshape(s)


def datad(*s, k=0.37):
    return (torch.arange(math.prod(s), dtype=torch.float64) * k + 0.1).sin().reshape(s)


# -- python interop
t = data(4); l = [torch.tensor(1.), torch.tensor(2.)]
print(torch.tensor(l), torch.stack(l), sum(l), max(l), min(l), sorted(l), [float(v) for v in t][:1], math.sqrt(torch.tensor(4.)), np.sqrt(t.numpy()).dtype, round(t[0].item(), 2), abs(-t), len(t), [i for i in range(torch.tensor(3))], [10, 20, 30][torch.tensor(1)], bool(torch.tensor(1)), torch.tensor(2) in [1, 2], 2 in torch.tensor([1, 2]), t[0] > 0 and t[1] > 0, not torch.tensor(0), "%d %s %.2f" % (torch.tensor(3), torch.tensor(1.5), torch.tensor(2.)), "{:.3f} {:>8.2f} {:e}".format(t[0], t[1], t[2]), f"{t[0]:.2%}", str(t[0]), repr(t[0]))
print(np.array(t).shape, np.asarray(t).dtype, np.mean(t.numpy()), torch.from_numpy(np.arange(3)).float(), torch.tensor(np.arange(3)), torch.as_tensor([np.float32(1)]), torch.tensor([[1, 2], [3, 4]], dtype=torch.float32).numpy().T, np.concatenate([t.numpy(), t.numpy()]).shape, torch.tensor(np.random.rand(2)).dtype, torch.Tensor(np.ones(2)).dtype, np.ones(4, dtype=np.float32) * t.numpy(), torch.tensor(range(3)), torch.tensor((1, 2)), torch.tensor([True, False]).numpy(), t.tolist()[0] == t[0].item())
x = data(2, 3, 4); print(x.size()[1:], x.shape[:-1] + (3,), x.size(0) * x.size(1), x.shape == (2, 3, 4), torch.Size([2]) == (2,), x.shape[-1], len(x.shape), x.shape.numel(), tuple(x.shape), list(x.size()), x.view(x.size(0), -1).shape, x.reshape(*x.shape[:1], -1).shape, x.new(2, 2).shape if hasattr(x, "new") else 0, isinstance(x.shape, tuple), x.ndim, x.nelement(), x.element_size(), hash(x.shape) == hash((2, 3, 4)), torch.numel(x), (torch.zeros(2, 3) + torch.zeros(3)).shape, torch.broadcast_shapes((2, 1), (3,)))
for i, row in enumerate(x[0]): print(i, row.sum())
for a, b in zip(x[0], x[1]): print((a * b).sum()); break
print([v.shape for v in x.unbind(1)], *[c.shape for c in torch.chunk(x, 2, dim=-1)], {k: v.shape for k, v in {"a": x}.items()})
# -- module features
class M(nn.Module):
    def __init__(self):
        super().__init__(); self.layers = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.ReLU()}); self.ps = nn.ParameterDict({"w": nn.Parameter(torch.ones(2))}); self.pl = nn.ParameterList([nn.Parameter(torch.zeros(1)) for _ in range(2)]); self.register_buffer("buf", torch.arange(3.)); self.register_parameter("none", None); self.const = 3; self._p = nn.Parameter(torch.tensor(2.)); self.add_module("extra", nn.Identity())
    def forward(self, x): return self.layers["a"](x) * self._p
    @property
    def device(self): return next(self.parameters()).device
m = M(); print(m); print([n for n, _ in m.named_parameters()], [n for n, _ in m.named_modules()], [n for n, _ in m.named_children()], list(m.state_dict()), m.device, list(m.layers.keys()), "a" in m.layers, len(m.pl), m.ps["w"].shape, m.training, m.eval().training, m.layers["a"].training, [type(q).__name__ for q in m.children()])
c = copy.deepcopy(m); c.layers["a"].weight.data.zero_(); print(m.layers["a"].weight.abs().sum().item() > 0, c.buf); del m.extra; print(hasattr(m, "extra"), isinstance(m.layers["a"], nn.Linear)); m.requires_grad_(False); print(any(p.requires_grad for p in m.parameters())); m.layers["a"].weight.requires_grad = True; print([n for n, p in m.named_parameters() if p.requires_grad]); m.double(); print(m.buf.dtype, m.layers["a"].weight.dtype); m.float().to("cpu").train(); m.zero_grad(); seq = nn.Sequential(nn.Linear(2, 2)); seq.add_module("act", nn.ReLU()); seq.append(nn.Linear(2, 1)); print(seq, seq[-1], seq[:2], len(seq), seq.act); seq[0] = nn.Linear(2, 2, bias=False); print(seq[0].bias)
try: m.foo
except AttributeError as e: print(e)
try: nn.Linear(2, 3)(torch.ones(1, 5))
except RuntimeError as e: print(e)
class Bad(nn.Module):
    def __init__(self): self.l = nn.Linear(1, 1)
try: Bad()
except AttributeError as e: print(e)
w = nn.Parameter(torch.ones(2)); print(w, isinstance(w, torch.Tensor), (w * 2).__class__.__name__, w.data.__class__.__name__, nn.Parameter(torch.ones(1), requires_grad=False)); w.grad = torch.ones(2); w.data -= .1 * w.grad; print(w)
# -- graph
x = torch.tensor(2., requires_grad=True); y = x ** 3; y.retain_grad(); z = y * 2; z.backward(); print(x.grad, y.grad); x.grad.zero_(); x.grad = None; (x * 2).backward(retain_graph=True); print(x.grad); gx = torch.autograd.grad(x ** 3, x, create_graph=True)[0]; ggx = torch.autograd.grad(gx, x)[0]; print(gx, ggx); print(torch.autograd.grad(x * 1, [x], allow_unused=True)); w = torch.ones(2, requires_grad=True); (w * torch.tensor([1., 2.])).backward(torch.tensor([1., .5])); print(w.grad); v = w.detach().clone().requires_grad_(True); u = v * 2; del u; print(v.grad, v.is_leaf); a = torch.randn(2, requires_grad=True); b = a.detach(); b.zero_(); print(a)
from torch.utils.checkpoint import checkpoint, checkpoint_sequential
m = fix(nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))); xi = data(2, 3).requires_grad_(); checkpoint(m, xi, use_reentrant=False).sum().backward(); show(xi.grad); xi.grad = None; checkpoint_sequential(m, 2, xi, use_reentrant=False).sum().backward(); show(xi.grad)
with torch.autograd.profiler.profile() if hasattr(torch.autograd, "profiler") and False else torch.no_grad(): pass
x = data(3).requires_grad_()
with torch.enable_grad(): print((x * 2).requires_grad)
f = torch.no_grad()(lambda: (x * 2).requires_grad); print(f())
try: torch.autograd.grad(torch.ones(1), x)
except RuntimeError as e: print(e)
try: x.sum().backward(); torch.ones(3, requires_grad=True).mul_(2)
except RuntimeError as e: print(str(e)[:70])
# -- printing
torch.set_printoptions(precision=2, sci_mode=False); print(data(3), torch.tensor([1e-8, 1.])); torch.set_printoptions(profile="default"); print(torch.tensor([1e-8, 1.]), torch.rand(1000).shape, torch.arange(2000), torch.zeros(30, 30), torch.tensor([[1e5, .1]]), torch.tensor([1234567.]), torch.tensor(1e-10), torch.tensor([1, -1]), torch.tensor([[True], [False]]), torch.tensor([float("nan"), float("-inf"), 1.]), torch.empty(0), torch.zeros(2, 0), torch.tensor([0.1, 0.25], dtype=torch.float64), torch.ones(2, 2, 2), torch.tensor([1.0, 2.0]), torch.tensor([1e3, 1e4]), torch.tensor([.5e-3, 1.]), torch.tensor(5), torch.tensor([100000, 5]), data(2, 2).requires_grad_(), torch.tensor([3.0]) * 1e8, torch.eye(3, dtype=torch.int32))
# -- data samplers
from torch.utils.data import Sampler, Dataset, DataLoader, TensorDataset
class Bucket(Sampler):
    def __init__(self, ls, bs): self.ls, self.bs = ls, bs
    def __iter__(self): idx = sorted(range(len(self.ls)), key=lambda i: self.ls[i]); return iter([idx[i:i + self.bs] for i in range(0, len(idx), self.bs)])
    def __len__(self): return (len(self.ls) + self.bs - 1) // self.bs
class Text(Dataset):
    def __init__(self): self.d = [torch.arange(n) for n in (3, 1, 4, 2)]
    def __len__(self): return len(self.d)
    def __getitem__(self, i): return self.d[i], i % 2
def pad(b): xs, ys = zip(*b); return nn.utils.rnn.pad_sequence(xs, batch_first=True, padding_value=-1), torch.tensor(ys), torch.tensor([len(x) for x in xs])
for b in DataLoader(Text(), batch_sampler=Bucket([3, 1, 4, 2], 2), collate_fn=pad): print(b)
dl = DataLoader(TensorDataset(data(10, 2), torch.arange(10)), batch_size=3, shuffle=False, drop_last=True, num_workers=2); print(len(dl), [y.tolist() for _, y in dl]); train, val = torch.utils.data.random_split(Text(), [3, 1], generator=torch.Generator().manual_seed(0)); print(len(train), len(val), train.indices.__class__.__name__); print(next(iter(DataLoader(list(zip(data(4, 2), range(4))), batch_size=2)))[1], [b for b in DataLoader(["a", "b", "c"], batch_size=2)], list(DataLoader(np.arange(4.), batch_size=2)))
# -- conv shapes
x = data(2, 4, 9, 9)
for m in (nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(4, 8, (3, 1), dilation=(2, 1), groups=2), nn.Conv2d(4, 4, 3, padding="same", padding_mode="reflect"), nn.ConvTranspose2d(4, 3, 3, 2, 1, output_padding=1), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2, ceil_mode=True), nn.AdaptiveMaxPool2d((3, None)), nn.Upsample(scale_factor=1.5), nn.PixelShuffle(2), nn.ZeroPad2d((1, 0, 2, 0)), nn.Unfold(3, padding=1), nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4), nn.LocalResponseNorm(3), nn.Softmax2d(), nn.Flatten(), nn.ReflectionPad2d(2), nn.FractionalMaxPool2d(2, output_size=4) if False else nn.Identity()): y = fix(m)(x); print(type(m).__name__); show(y)
show(F.interpolate(x, size=(5, 7), mode="bicubic", align_corners=False), F.interpolate(x, scale_factor=.5, mode="area"), F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False), F.lp_pool2d(x.abs(), 2, 3), F.fold(F.unfold(x, 3), (9, 9), 3), F.pad(x, (1, 2, 0, 1), "circular"), F.conv2d(x, data(4, 1, 3, 3), groups=4), F.max_unpool2d(*F.max_pool2d(x, 3, return_indices=True), 3), F.local_response_norm(x, 2), F.layer_norm(x, (9, 9)), F.pixel_unshuffle(x[..., :8, :8], 2), F.channel_shuffle(x, 2), F.normalize(x, dim=1), F.glu(x, 1), F.rrelu(x, training=False), F.hardswish(x), F.mish(x), F.softplus(x, 2, 10), F.threshold(x, .1, .5), F.celu(x), F.selu(x), F.gelu(x, approximate="tanh"), F.logsigmoid(x), F.softsign(x), F.tanhshrink(x), F.hardshrink(x), F.softshrink(x), F.hardsigmoid(x), F.relu6(x), F.prelu(x, torch.tensor([.1])), F.dropout(x, .5, training=False), F.bilinear(x[:, 0, 0], x[:, 1, 1], data(3, 9, 9)), F.one_hot(torch.tensor([1, 0])), F.embedding(torch.tensor([1]), data(3, 2)), F.cosine_similarity(x[:, 0], x[:, 1], dim=2), F.scaled_dot_product_attention(x, x, x))
