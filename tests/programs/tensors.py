# The tour of tensors: creation, attributes, indexing, joining, arithmetic, in-place, NumPy bridge, reductions.
import numpy as np
import torch

data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
np_array = np.array(data)
x_np = torch.from_numpy(np_array)
x_ones = torch.ones_like(x_data)
x_rand = torch.rand_like(x_data, dtype=torch.float)
assert x_ones.dtype == torch.int64 and x_rand.shape == (2, 2)
shape = (2, 3)
rand_tensor, ones_tensor, zeros_tensor = torch.rand(shape), torch.ones(shape), torch.zeros(shape)
assert rand_tensor.device.type == "cpu" and str(rand_tensor.device) == "cpu"
tensor = torch.ones(4, 4)
tensor[:, 1] = 0
assert tensor[0].tolist() == [1, 0, 1, 1] and tensor[..., -1].tolist() == [1, 1, 1, 1]
t1 = torch.cat([tensor, tensor, tensor], dim=1)
assert t1.shape == (4, 12)
y1 = tensor @ tensor.T
y2 = tensor.matmul(tensor.T)
y3 = torch.matmul(tensor, tensor.T)
assert torch.equal(y1, y2) and torch.equal(y1, y3)
z1 = tensor * tensor
z2 = tensor.mul(tensor)
assert torch.allclose(z1, z2)
agg = tensor.sum()
assert agg.item() == 12.0
tensor.add_(5)
assert tensor.min().item() == 5
t = torch.ones(5)
n = t.numpy()
t.add_(1)
assert n.tolist() == [2, 2, 2, 2, 2]
n = np.ones(5)
t = torch.from_numpy(n)
np.add(n, 1, out=n)
assert t.tolist() == [2, 2, 2, 2, 2]
a = torch.arange(12).reshape(3, 4).float()
assert a.mean(dim=0).tolist() == [4, 5, 6, 7]
assert a.std(dim=1, unbiased=False).shape == (3,)
values, indices = a.max(dim=1)
assert values.tolist() == [3, 7, 11] and indices.tolist() == [3, 3, 3]
mask = a > 5
assert a[mask].tolist() == [6, 7, 8, 9, 10, 11]
assert torch.where(mask, a, torch.zeros_like(a)).sum().item() == 51
assert a[[0, 2]].shape == (2, 4) and a[torch.tensor([2, 0]), 1].tolist() == [9, 1]
a[a < 3] = -1
assert (a == -1).sum().item() == 3
b = a.unsqueeze(0).expand(2, 3, 4).permute(2, 0, 1).contiguous().view(4, -1)
assert b.shape == (4, 6)
assert torch.stack([a, a]).shape == (2, 3, 4) and len(torch.split(a, 2)) == 2 and len(a.chunk(2, dim=1)) == 2
assert torch.einsum("ij,kj->ik", a, a).shape == (3, 3)
s, i = torch.sort(torch.tensor([3.0, 1.0, 2.0]), descending=True)
assert s.tolist() == [3, 2, 1] and i.tolist() == [0, 2, 1]
assert torch.topk(torch.tensor([1.0, 5.0, 3.0]), 2).values.tolist() == [5, 3]
assert torch.clamp(a, 0, 5).max().item() == 5 and torch.norm(torch.tensor([3.0, 4.0])).item() == 5
assert (2 ** torch.arange(4)).tolist() == [1, 2, 4, 8] and (7 // torch.tensor(2)).item() == 3
assert torch.cumsum(torch.tensor([1, 2, 3]), 0).tolist() == [1, 3, 6]
x = torch.ones(5)
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w) + b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, torch.zeros(3))
assert z.grad_fn is not None
loss.backward()
assert w.grad.shape == (5, 3) and torch.allclose(w.grad[0], b.grad)
inp = torch.eye(4, 5, requires_grad=True)
out = (inp + 1).pow(2).t()
out.backward(torch.ones_like(out), retain_graph=True)
first = inp.grad.clone()
out.backward(torch.ones_like(out), retain_graph=True)
assert torch.equal(inp.grad, 2 * first)
inp.grad.zero_()
print(x_rand, t1, mask, sep="\n")
