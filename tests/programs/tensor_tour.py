# Deterministic: prints the same under both. Indexing, views, casts, matrices, what is short for other things.
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


# -- einsum etc
A, B = data(3, 4), data(4, 5)
for eq, ops in (("ij,jk->ik", (A, B)), ("ij->ji", (A,)), ("ii->i", (data(3, 3),)), ("ii", (data(3, 3),)), ("ij,ij->", (A, A)), ("i,j->ij", (data(3), data(4))), ("bij,bjk->bik", (data(2, 3, 4), data(2, 4, 5))), ("...ij,...jk", (data(2, 3, 4), data(2, 4, 5))), ("bhid,bhjd->bhij", (data(2, 2, 3, 4), data(2, 2, 5, 4))), ("ijk,ilm,njm,nlk,abc->", (data(2, 2, 2),) * 5)): show(torch.einsum(eq, *ops))
show(torch.tensordot(A, B, 1), torch.tensordot(data(2, 3, 4), data(4, 3, 2), ([1, 2], [1, 0])), torch.kron(A, B), torch.bmm(data(2, 3, 4), data(2, 4, 5)), A.matmul(B), A @ B, torch.inner(A, A), torch.outer(A[0], B[0]), torch.block_diag(A, B), torch.cartesian_prod(torch.arange(2.), torch.arange(3.)), torch.cdist(A, A), torch.trace(data(3, 3)), A.t(), torch.linalg.norm(A, dim=1), A.norm(p=1), torch.norm(A, 2, 0), A.std(), A.var(1), A.logsumexp(0), A.cumsum(1), A.cumprod(0), A.cummax(1)[0], A.kthvalue(2, 1)[0], A.mode(0)[0], A.median(1)[0], A.nanmean(), torch.nansum(A), A.quantile(.3, dim=1), A.amax(1), A.argsort(1), A.sort(1, descending=True)[0], A.topk(2)[1], A.roll(1, 0), A.diff(dim=1), A.flip(1), A.rot90(), A.tril(), A.triu(1), A.diagonal(), torch.diag_embed(A), A.masked_fill(A > 0, 0.), A.masked_select(A > 0), torch.where(A > 0, A, torch.zeros_like(A)), A.clamp(0, .5), A.lerp(A * 2, .5), A.index_select(1, torch.tensor([0, 2])), A.gather(1, torch.tensor([[0], [1], [2]])), A.scatter(1, torch.tensor([[0], [1], [2]]), 9.), A.scatter_add(1, torch.tensor([[0], [1], [2]]), torch.ones(3, 1)), A.index_add(0, torch.tensor([0, 0]), torch.ones(2, 4)), A.index_fill(0, torch.tensor([1]), 3.), A.take(torch.tensor([0, 5])), torch.take_along_dim(A, A.argsort(1), 1), A.repeat(2, 1), A.repeat_interleave(2, 0), A.unflatten(1, (2, 2)), A.movedim(0, 1), A.expand(2, 3, 4), torch.hstack([A, A]), torch.vstack([A, A]), torch.dstack([A, A]), torch.column_stack([A, A]), *torch.tensor_split(A, 2, 1), *A.split(2, 1), *A.chunk(2, 1), *torch.hsplit(A, 2), *torch.broadcast_tensors(A, A[:1]), *torch.meshgrid(torch.arange(2.), torch.arange(3.), indexing="xy"))
# -- renorm etc
x = data(3, 4, 2).requires_grad_(); y = torch.renorm(x, 2, 0, 0.5); show(y, torch.autograd.grad((y * data(3, 4, 2, k=.9)).sum(), x)[0])
print(torch.gradient(torch.tensor([1., 4, 9, 16]))[0], torch.gradient(torch.tensor([1., 4, 9, 16]), spacing=2.0)[0], [g for g in torch.gradient(torch.arange(9.).view(3, 3) ** 2)])
print(torch.nextafter(torch.tensor(1.0), torch.tensor(2.0)).item(), torch.unravel_index(torch.tensor([5, 7]), (3, 4)), torch.cov(data(3, 5)).shape, torch.trapezoid(data(5)), torch.cumulative_trapezoid(data(5)), torch.vander(torch.arange(1., 4)), torch.bucketize(torch.tensor([1., 3]), torch.tensor([0., 2, 4])), torch.searchsorted(torch.tensor([1., 2, 3]), torch.tensor([2.5])))
print(torch.histogram(torch.tensor([1., 2, 1]), bins=4, range=(0., 3.)), torch.is_signed(torch.ones(1)), torch.frexp(torch.tensor([8.0, 0.3])), torch.ldexp(torch.tensor([1.0]), torch.tensor([3])), torch.logit(torch.tensor(0.3)), torch.deg2rad(torch.tensor(90.)), torch.heaviside(torch.tensor([-1., 0, 1]), torch.tensor(0.5)), torch.float_power(torch.tensor([2, 3]), 2), torch.hypot(torch.tensor(3.), torch.tensor(4.)), torch.copysign(torch.tensor(1.), torch.tensor(-2.)), torch.fmod(torch.tensor(-5.), 3), torch.signbit(torch.tensor(-0.)), torch.sgn(torch.tensor(-2.)), torch.lerp(torch.tensor(1.), torch.tensor(3.), 0.25))
print(torch.dist(data(3), data(3, k=1.)), torch.addcmul(data(2), data(2), data(2), value=2), torch.addcdiv(data(2), data(2), data(2) + 3), torch.addmm(torch.zeros(2, 2), data(2, 2), data(2, 2)), torch.baddbmm(torch.zeros(1, 2, 2), data(1, 2, 2), data(1, 2, 2)), torch.addmv(torch.zeros(2), data(2, 2), data(2)), torch.addr(torch.zeros(2, 2), data(2), data(2)), torch.chain_matmul(data(2, 3), data(3, 4), data(4, 1)).shape, torch.linalg.multi_dot([data(2, 3), data(3, 4), data(4, 1)]).shape)
print(torch.fill(torch.zeros(2), 3), torch.range(0, 3) if hasattr(torch, 'range') else None, torch.real(torch.ones(1)), torch.conj(torch.ones(1)), torch.isreal(torch.ones(2)), torch.detach(torch.ones(1)), torch.ones(2).real, torch.ones(2).conj(), torch.positive(torch.ones(1)), torch.msort(torch.tensor([3, 1])), torch.argwhere(torch.tensor([0, 1])), torch.aminmax(torch.arange(3.)), torch.diff(torch.tensor([1, 4])), torch.rot90(torch.arange(4).view(2, 2)), torch.fliplr(torch.eye(2)), torch.flipud(torch.eye(2)))
# -- linalg
a = datad(3, 3) + 3 * torch.eye(3, dtype=torch.float64); b = datad(3, 2, k=.9)
P, L, U = torch.linalg.lu(a); show(P @ L @ U - a); LU, piv = torch.linalg.lu_factor(a); show(torch.linalg.lu_solve(LU, piv, b) - torch.linalg.solve(a, b)); print(piv.dtype)
w = torch.linalg.eigvalsh(a @ a.T); show(w); print(torch.linalg.inv_ex(a)[1], torch.linalg.cholesky_ex(a @ a.T)[1], torch.linalg.diagonal(a).shape, torch.linalg.vander(torch.arange(1., 4)).shape, torch.linalg.tensorsolve(torch.eye(6).reshape(2, 3, 6), torch.ones(2, 3)).shape, torch.linalg.tensorinv(torch.eye(4).reshape(2, 2, 4)).shape)
c = torch.linalg.cholesky(a @ a.T); show(torch.cholesky_solve(b, c), torch.cholesky_inverse(c), torch.triangular_solve(b, c, upper=False)[0])
print([n for n in () if n in ("svd", "qr", "lu", "eig", "symeig", "lstsq", "pinverse", "svd_lowrank", "pca_lowrank", "cholesky", "slogdet", "matrix_exp", "matrix_power", "geqrf", "orgqr", "ormqr", "lobpcg")])
u, s, v = torch.svd(datad(4, 3)); show(u @ torch.diag(s) @ v.T); pass
u, s, v = torch.pca_lowrank(datad(10, 4), q=2); print(u.shape, s.shape, v.shape); u, s, v = torch.svd_lowrank(datad(10, 4), q=4); show(u @ torch.diag(s) @ v.T)
show(torch.linalg.matrix_exp(a * .1), torch.linalg.matrix_power(a, 3), torch.linalg.pinv(datad(4, 3)), torch.linalg.lstsq(datad(4, 2), datad(4, 1)).solution, torch.linalg.vector_norm(a, 3), torch.linalg.matrix_norm(a, "nuc"), torch.linalg.cond(a @ a.T + torch.eye(3)), torch.linalg.cross(a, a.flip(0)), torch.linalg.vecdot(a, a))
# -- random methods
t = torch.empty(1000)
for f in (lambda: t.exponential_(2.0), lambda: t.geometric_(0.3), lambda: t.cauchy_(0, 1), lambda: t.log_normal_(0, 0.25), lambda: t.normal_(1, 2), lambda: t.uniform_(-1, 1), lambda: t.bernoulli_(0.3), lambda: t.random_(5)):
    y = f(); print(y is t, torch.isfinite(y).all().item())
torch.manual_seed(0); e = torch.empty(20000).exponential_(2.0); print(abs(e.mean().item() - .5) < .02, (e > 0).all().item()); g = torch.empty(20000).geometric_(0.25); print(abs(g.mean().item() - 4) < .15, g.min().item())
p = torch.poisson(torch.full((20000,), 3.0)); print(p.dtype, abs(p.mean().item() - 3) < .1, abs(p.var().item() - 3) < .2); b = torch.binomial(torch.full((5000,), 10.0), torch.full((5000,), 0.3)); print(b.dtype, abs(b.mean().item() - 3) < .2)
print(torch.randint_like(torch.zeros(3), 5).dtype, torch.randn_like(torch.zeros(2, 3)).shape, torch.rand_like(torch.zeros(2)).shape, torch.randperm(5).sort()[0], torch.multinomial(torch.tensor([0., 0, 1]), 2, replacement=True), torch.normal(torch.zeros(3), torch.ones(3)).shape, torch.normal(0.0, 1.0, (2, 2)).shape)
gen = torch.Generator().manual_seed(3); a = torch.rand(2, generator=gen); gen.manual_seed(3); print(torch.equal(a, torch.rand(2, generator=gen)))
# -- func
from torch.func import vmap, grad, jacrev, jacfwd, hessian, functional_call, vjp, jvp, grad_and_value, stack_module_state
f = lambda x: (x ** 3).sum(); x = data(4); print(grad(f)(x), jacrev(torch.sin)(x), jacfwd(torch.sin)(x), hessian(f)(x), vmap(grad(f))(data(2, 4)))
m = fix(nn.Linear(3, 2)); params = dict(m.named_parameters()); show(functional_call(m, params, (data(5, 3),)))
def loss(p, x, y): return F.mse_loss(functional_call(m, p, (x.unsqueeze(0),)).squeeze(0), y)
g = vmap(grad(loss), in_dims=(None, 0, 0))({k: v.detach() for k, v in params.items()}, data(5, 3), data(5, 2)); show(g["weight"], g["bias"])
models = [fix(nn.Linear(3, 2)) for _ in range(3)]; p, bu = stack_module_state(models); show(vmap(lambda p, b, x: functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None))(p, bu, data(5, 3)))
out, pull = vjp(torch.sin, x); print(pull(torch.ones(4))); print(jvp(torch.sin, (x,), (torch.ones(4),))); print(grad_and_value(f)(x)); print(vmap(torch.dot)(data(3, 4), data(3, 4)), vmap(lambda a: a.sum(), out_dims=0)(data(3, 4)), vmap(torch.mv, in_dims=(None, 0))(data(2, 4), data(3, 4)))
print(torch.autograd.functional.jacobian(torch.exp, data(2)), torch.autograd.functional.hessian(f, data(2)), torch.autograd.functional.hvp(f, data(2), torch.ones(2)))
print(vmap(lambda x: torch.randn(2), randomness="different")(data(3)).shape)
try: vmap(lambda x: torch.randn(2))(data(3)); print("ok")
except RuntimeError as e: print("RuntimeError", str(e)[:60])
# -- rnn utils
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence, pack_sequence, PackedSequence
seqs = [data(n, 3) for n in (4, 2, 3)]; p = pad_sequence(seqs, batch_first=True); print(p.shape); pk = pack_padded_sequence(p, torch.tensor([4, 2, 3]), batch_first=True, enforce_sorted=False); print(pk.batch_sizes, pk.sorted_indices); l = fix(nn.LSTM(3, 5, 2, batch_first=True, bidirectional=True)); o, (h, c) = l(pk); o, n = pad_packed_sequence(o, batch_first=True); show(o, h, c); print(n, l); g = fix(nn.GRU(3, 4)); show(g(data(5, 2, 3))[0]); r = fix(nn.RNN(3, 4, nonlinearity="relu")); show(r(data(5, 2, 3))[1]); cell = fix(nn.LSTMCell(3, 4)); show(cell(data(2, 3))); show(fix(nn.GRUCell(3, 4))(data(2, 3))); l.flatten_parameters(); print(l.all_weights[0][0].shape, l.hidden_size, l.num_layers)
print(torch.nn.utils.rnn.pack_sequence(sorted(seqs, key=len, reverse=True)).data.shape, torch.nn.utils.rnn.unpad_sequence(p, torch.tensor([4, 2, 3]), batch_first=True)[1].shape)
