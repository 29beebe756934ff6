# Deterministic: prints the same under both. tensors, printing, statistics, linear algebra.
import numpy as np
import torch

print(
    torch.arange(12).reshape(3, 4),
    torch.zeros(2, 3),
    torch.eye(2),
    torch.full((2,), 7),
    torch.tensor([[1.5, float("nan")], [float("inf"), -2]]),
)
print(
    torch.tensor([1e-5, 1.0, 1000.0]),
    torch.tensor([True, False]),
    torch.tensor(3),
    torch.tensor([]),
    torch.rand(0, 3).shape,
    torch.tensor([1e10, 1.0]),
)
a = torch.arange(24.0).view(2, 3, 4)
print(
    a[:, 1],
    a[..., -1],
    a[0, [0, 2]],
    a[a > 20],
    a[:, ::2, 1:3].shape,
    a.permute(2, 0, 1).shape,
    a.transpose(0, 2).stride(),
    a.size(1),
    a.dim(),
    a.numel(),
)
print(
    a.mean(dim=(0, 2)),
    a.std(0).shape,
    a.var(unbiased=False),
    a.max(dim=1),
    a.argmax(),
    a.topk(2, dim=-1).values[0],
    a.sort(descending=True)[1][0, 0],
    a.cumsum(1)[0],
    a.prod(),
    a.median(),
    a.norm(),
)
b = a.clone()
b[0] = -1
b[:, 1] *= 2
b[b < 0] = 0
print(b.sum(), (a == b).sum(), torch.allclose(a, b), torch.equal(a, a.clone()))
print(
    torch.cat([a, a], 0).shape,
    torch.stack([a, a]).shape,
    [c.shape for c in a.chunk(3, 1)],
    [c.shape for c in torch.split(a, [1, 3], 2)],
    torch.unbind(a)[0].shape,
    a.flatten(1).shape,
    a.unsqueeze(0).squeeze().shape,
    a.expand(2, 3, 4).shape,
    a[0].repeat(2, 1).shape,
    torch.tile(a[0], (1, 2)).shape,
)
print(
    torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")[0],
    torch.outer(torch.arange(3), torch.arange(2)),
    torch.tril(torch.ones(3, 3)),
    torch.diag(torch.tensor([1, 2])),
    torch.linspace(0, 1, 3),
    torch.logspace(0, 2, 3),
)
n = a.numpy()
n[0, 0, 0] = 5
print(
    a[0, 0, 0].item(),
    torch.from_numpy(np.ones(2)).dtype,
    a.tolist()[1][2],
    int(torch.tensor(3.7)),
    torch.tensor([1, 2]).float().dtype,
    torch.as_tensor([1.0]).double().dtype,
)
x = torch.tensor([[2.0, 1], [1, 3]])
print(
    x @ x,
    x.T,
    torch.linalg.inv(x),
    torch.linalg.det(x),
    torch.linalg.solve(x, torch.tensor([1.0, 2])),
    torch.linalg.eigvalsh(x),
    torch.linalg.norm(x),
    torch.trace(x),
    torch.linalg.matrix_rank(x),
    torch.cholesky(x) if False else torch.linalg.cholesky(x),
)
d = torch.cat([torch.arange(10.0).view(-1, 1), torch.arange(10.0).view(-1, 1) * 2 + 1], 1)
c = d - d.mean(0)
U, S, V = torch.linalg.svd(c, full_matrices=False)
print(S.round(decimals=3), (V[0].abs() * 1000).round() / 1000)
print(torch.linalg.lstsq(torch.cat([d[:, :1], torch.ones(10, 1)], 1), d[:, 1:]).solution.round(decimals=3))
pts = torch.tensor([[0.0, 0], [0, 1], [5, 5], [5, 6]])
cen = pts[[0, 2]]
for _ in range(3):
    lab = torch.cdist(pts, cen).argmin(1)
    cen = torch.stack([pts[lab == k].mean(0) for k in range(2)])
print(lab, cen, torch.bincount(lab), torch.unique(torch.tensor([3, 1, 3]), return_counts=True))
print(
    torch.clamp(torch.arange(-2, 3), min=0),
    torch.where(torch.arange(3) > 1, 1, 0),
    torch.sign(torch.tensor([-2.0, 0])),
    torch.floor(torch.tensor(-1.5)),
    torch.remainder(torch.tensor(-5), 3),
    torch.tensor(7) // 2,
    torch.tensor(-7) // 2,
    torch.tensor(7) % 4,
    2 ** torch.arange(3),
    torch.tensor(5) / 2,
    1 / torch.tensor(4.0),
    -torch.ones(1),
    abs(torch.tensor(-1)),
    ~torch.tensor([True]),
    torch.tensor(6) & 3,
)
print(
    torch.nn.functional.one_hot(torch.tensor([0, 2]), 3),
    torch.scatter(torch.zeros(2, 3), 1, torch.tensor([[0], [2]]), 1.0),
    torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0], [1]])),
    torch.roll(torch.arange(4), 1),
    torch.flip(torch.arange(3), [0]),
    torch.nonzero(torch.tensor([0, 1, 1])),
    torch.any(torch.tensor([0, 1])),
    torch.all(torch.tensor([1, 1])),
)
print(
    a.dtype,
    a.device,
    a.requires_grad,
    a.is_contiguous(),
    a.T.shape if a.dim() == 2 else a.mT.shape,
    type(a).__name__,
    torch.is_tensor(a),
    a.new_zeros(2),
    torch.zeros_like(a).shape,
    torch.empty(2, 3).size(),
    torch.Size([1, 2]),
    torch.finfo(torch.float32).eps,
    torch.iinfo(torch.int64).max,
)
dev = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print(a.to(dev).cpu().shape)
print(
    torch.histc(torch.tensor([1.0, 2, 1]), bins=4, min=0, max=3),
    torch.quantile(torch.arange(5.0), 0.25),
    torch.logsumexp(torch.zeros(2, 2), 1),
    torch.softmax(torch.zeros(2), 0),
    torch.isnan(torch.tensor([float("nan")])),
    torch.cross(torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), dim=0),
    torch.kron(torch.eye(2), torch.ones(1, 2)),
    torch.einsum("ij->j", x),
    torch.bmm(torch.ones(1, 2, 2), x[None]),
    torch.triu_indices(2, 2),
    torch.combinations(torch.arange(3)),
)
try:
    torch.ones(2, 3) @ torch.ones(2, 3)
except RuntimeError as e:
    print(e)
try:
    torch.ones(2) + torch.ones(3)
except RuntimeError as e:
    print("must match the size of tensor b" in str(e))
try:
    torch.ones(2, 3).view(5)
except RuntimeError as e:
    print(e)
try:
    torch.ones(2)[5]
except IndexError as e:
    print(e)
