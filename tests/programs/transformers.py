# Deterministic: prints the same under both. Attention layers and the Transformer, with weights set by hand.
import torch
import torch.nn.functional as F
from torch import nn


def fix(m):
    with torch.no_grad():
        for i, (_, p) in enumerate(sorted(m.named_parameters())):
            p.copy_((torch.arange(p.numel(), dtype=p.dtype) * 0.7 + i).sin().reshape(p.shape) * 0.3)
    return m


def show(name, t):
    print(name, tuple(t.shape), round(float(t.double().sum()), 3), round(float(t.double().abs().max()), 3))


def wave(*shape):
    n = 1
    for s in shape:
        n *= s
    return (torch.arange(n, dtype=torch.float32) * 0.37).sin().reshape(shape)


x, y = wave(5, 2, 8).requires_grad_(), wave(6, 2, 8)
mha = fix(nn.MultiheadAttention(8, 2))
print(list(mha.state_dict()))
o, w = mha(x, x, x)
show("self", o)
show("weights", w)
(o.sum() + (w * w).sum()).backward()
show("grad", x.grad)
show("in_proj", mha.in_proj_weight.grad)
o, w = mha(x, y, y, average_attn_weights=False)
show("cross", o)
show("heads", w)
mask = nn.Transformer.generate_square_subsequent_mask(5)
print(mask)
show("causal", mha(x, x, x, attn_mask=mask, is_causal=True)[0])
print(mha(x, x, x, attn_mask=mask, need_weights=False)[1])
pad = torch.tensor([[False, False, False, True, True], [False, False, False, False, True]])
show("padded", mha(x, x, x, key_padding_mask=pad)[0])
show("both", mha(x, x, x, key_padding_mask=pad, attn_mask=torch.triu(torch.ones(5, 5), 1).bool())[0])
show("bias_kv", fix(nn.MultiheadAttention(8, 4, add_bias_kv=True, add_zero_attn=True))(x, y, y, key_padding_mask=torch.zeros(2, 6).bool())[0])
wide = fix(nn.MultiheadAttention(8, 2, kdim=4, vdim=6, batch_first=True))
show("kdim", wide(wave(2, 5, 8), wave(2, 7, 4), wave(2, 7, 6))[0])
show("unbatched", mha(x[:, 0], y[:, 0], y[:, 0])[1])
q, k, v = wave(2, 3, 4, 8), wave(2, 3, 6, 8), wave(2, 3, 6, 5)
show("sdpa", F.scaled_dot_product_attention(q, k, v))
show("causal", F.scaled_dot_product_attention(q, k, v, is_causal=True))
show("mask", F.scaled_dot_product_attention(q, k, v, attn_mask=(wave(4, 6) > -0.5)))
show("added", F.scaled_dot_product_attention(q, k, v, attn_mask=wave(2, 1, 4, 6), scale=0.1))
show("gqa", F.scaled_dot_product_attention(wave(2, 6, 4, 8), k, v, enable_gqa=True))
enc = fix(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0))
print(enc.norm1, enc.linear1)
show("encoder", enc(x, src_mask=mask, src_key_padding_mask=pad))
show("norm_first", fix(nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", norm_first=True, batch_first=True))(x.transpose(0, 1)))
stack = fix(nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0), 2, nn.LayerNorm(8)))
show("stack", stack(x, mask=mask))
dec = fix(nn.TransformerDecoderLayer(8, 2, 16, 0.0))
show("decoder", dec(x, y, tgt_mask=mask))
print(list(dec.state_dict())[:8])
whole = fix(nn.Transformer(8, 2, 2, 2, 16, 0.0, batch_first=True))
out = whole(wave(3, 6, 8), wave(3, 5, 8), tgt_mask=mask)
show("whole", out)
out.square().sum().backward()
show("whole grad", whole.decoder.layers[1].multihead_attn.in_proj_weight.grad)
print(len(list(whole.parameters())), sum(p.numel() for p in whole.parameters()))
