"""Derive the coefficients in csrc/core/math_*.h: best polynomials and rationals for a weighted error.

    python tools/minimax.py [name ...]        prints each table, lowest order first, with the error it reaches

Polynomials: Remez exchange on a dense grid in 50-digit arithmetic. Coefficients are rounded to the target format one
after another, lowest first, and the rest fitted again, so that rounding costs next to nothing. Rationals: Loeb's
iteration, each step a linear programme. Needs mpmath, and scipy for the rationals.
"""

import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 50


def grid(a, b, n=900):
    a, b = mp.mpf(a), mp.mpf(b)
    return [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * i / n) for i in range(n + 1)]


def remez(xs, f, w, powers):
    """Coefficients of sum c_k x^powers[k] that minimise max |w (sum - f)| over xs."""
    n = len(powers)
    rows = [[x**k for k in powers] for x in xs]
    m = len(xs)
    at = [round((m - 1) * (1 - np.cos(np.pi * i / n)) / 2) for i in range(n + 1)]
    for _ in range(40):
        A = mp.matrix(n + 1, n + 1)
        b = mp.matrix(n + 1, 1)
        for r, i in enumerate(at):
            for k in range(n):
                A[r, k] = w[i] * rows[i][k]
            A[r, n] = (-1) ** r
            b[r] = w[i] * f[i]
        s = mp.lu_solve(A, b)
        c = [s[k] for k in range(n)]
        e = [w[i] * (mp.fdot(c, rows[i]) - f[i]) for i in range(m)]
        peaks = []
        for i in range(m):  # the largest error of each run of one sign
            if peaks and (e[peaks[-1]] > 0) == (e[i] > 0):
                if abs(e[i]) > abs(e[peaks[-1]]):
                    peaks[-1] = i
            else:
                peaks.append(i)
        while len(peaks) > n + 1:
            peaks.pop(0 if abs(e[peaks[0]]) < abs(e[peaks[-1]]) else -1)
        worst = max(abs(v) for v in e)
        if len(peaks) < n + 1 or worst <= abs(s[n]) * mp.mpf("1.0005"):
            break
        at = peaks
    return c, worst


def rounded(c, T):
    return mp.mpf(float(c)) if T is np.float64 else mp.mpf(float(np.float32(float(c))))


def fit(f, w, a, b, powers, T):
    """Rounded coefficients and the error they reach."""
    xs = grid(a, b)
    fs, ws = [f(x) for x in xs], [w(x) for x in xs]
    done, rest, left = [], list(powers), list(fs)
    if a < 0 < b and len(rest) > 9:  # what is left after c0 all vanishes at 0: no exchange; well scaled, so round at once
        done = [rounded(v, T) for v in remez(xs, fs, ws, rest)[0]]
        left = [v - mp.polyval(done[::-1], x) for v, x in zip(fs, xs, strict=True)]
        rest = []
    while rest:
        c, _ = remez(xs, left, ws, rest)
        c0 = rounded(c[0], T)
        done.append(c0)
        left = [v - c0 * x ** rest[0] for v, x in zip(left, xs, strict=True)]
        rest.pop(0)
    return done, max(abs(v * w) for v, w in zip(left, ws, strict=True))


def rational(f, w, a, b, p, q):
    """P of degree p and Q of degree q, minimising max |w (P/Q - f)|."""
    from scipy.optimize import linprog

    xs = np.array([float(x) for x in grid(a, b, 700)])
    fs, ws = np.array([float(f(mp.mpf(x))) for x in xs]), np.array([float(w(mp.mpf(x))) for x in xs])
    s = float(b)
    P = np.stack([(xs / s) ** k for k in range(p + 1)], 1)
    Q = np.stack([(xs / s) ** k for k in range(1, q + 1)], 1)

    def solve(fixed):
        Qx = np.ones_like(xs)
        for _ in range(30):
            u = ws / Qx
            A = u[:, None] * np.concatenate([P, -fs[:, None] * Q], 1)
            b0 = u * fs
            one = np.full((len(xs), 1), -1e-8)  # the unknown error counts in units of 1e-8, for the solver's tolerance
            n = A.shape[1]
            bounds = [(fixed[i], fixed[i]) if i in fixed else (None, None) for i in range(n)] + [(0, None)]
            r = linprog(np.r_[np.zeros(n), 1], np.r_[np.c_[A, one], np.c_[-A, one]] * 1e4, np.r_[b0, -b0] * 1e4, bounds=bounds, method="highs")
            if r.x is None:
                break
            c = r.x[:n]
            Qn = 1 + Q @ c[p + 1:]
            if np.max(np.abs(Qn / Qx - 1)) < 1e-9:
                break
            Qx = Qn
        err = np.max(np.abs(ws * ((P @ c[: p + 1]) / (1 + Q @ c[p + 1:]) - fs)))
        return c, err

    # P and Q may share any factor: of many, keep the one for which rounding to float32 hurts least.
    c, err = solve({})
    scale = np.array([s**-k for k in range(p + 1)] + [s**-k for k in range(1, q + 1)])
    full = np.r_[c[: p + 1] * scale[: p + 1], 1.0, c[p + 1 :] * scale[p + 1 :]]
    best = np.inf, None
    for r in np.r_[1.0, np.random.default_rng(0).uniform(0.5, 1, 20000)]:
        t = (full * r).astype(np.float32).astype(np.float64)
        e = np.max(np.abs(ws * (np.polyval(t[p::-1], xs) / np.polyval(t[:p:-1], xs) - fs)))
        if e < best[0]:
            best = e, t
    err, t = best
    return list(t[: p + 1]), list(t[p + 1 :]), err


F, D = np.float32, np.float64
ln2 = mp.log(2)
sq = mp.sqrt
tiny = mp.mpf(10) ** -30


def atz(g, lead, order):
    """z -> (g(sqrt z) - lead(sqrt z)) / sqrt(z)^order, with the limit taken near 0."""

    def f(z):
        with mp.workdps(150):  # the difference cancels
            x = sq(z or mp.mpf(10) ** -24)
            return (g(x) - lead(x)) / x**order

    return f


def erfc_at(k):
    """t = (x - k)/(x + k):  exp(x^2) erfc(x) (x + k)/k"""

    def f(t):
        x = k * (1 + t) / (1 - t)
        return mp.exp(x * x) * mp.erfc(x) * (x + k) / k

    return f


K = mp.mpf("3.75")
q4 = mp.pi / 4 * mp.mpf("1.0005")
t8 = mp.mpf("0.41425")
lo, hi = sq(mp.mpf(1) / 2) - 1 - mp.mpf("1e-4"), sq(mp.mpf(2)) - 1 + mp.mpf("1e-4")


def one(x):
    return mp.mpf(1)



def exp_q(x):
    x = x if abs(x) > mp.mpf(10) ** -20 else mp.mpf(10) ** -20
    with mp.workdps(120):
        return (mp.expm1(x) - x) / x**2


def exp2_q(x):
    x = x if abs(x) > mp.mpf(10) ** -15 else mp.mpf(10) ** -15
    return mp.expm1(x * ln2) / x


def log_q(x):
    x = x if abs(x) > mp.mpf(10) ** -20 else mp.mpf(10) ** -20
    with mp.workdps(150):
        return (mp.log1p(x) - x + x * x / 2) / x**3


TABLES = {
    "exp_f": lambda: fit(exp_q, lambda x: x * x / mp.exp(x), -ln2 * 0.501, ln2 * 0.501, range(5), F),
    "exp_d": lambda: fit(exp_q, lambda x: x * x / mp.exp(x), -ln2 * 0.501, ln2 * 0.501, range(12), D),
    "exp2_f": lambda: fit(exp2_q, lambda x: x / mp.power(2, x), -0.5, 0.5, range(6), F),
    "exp2_d": lambda: fit(exp2_q, lambda x: x / mp.power(2, x), -0.5, 0.5, range(12), D),
    "log_f": lambda: fit(log_q, lambda x: abs(x**2), lo, hi, range(8), F),
    "log_d": lambda: fit(atz(lambda s: 2 * mp.atanh(s), lambda s: 2 * s, 3), lambda z: z, 0, mp.mpf("0.02945"), range(7), D),
    "sin_f": lambda: fit(atz(mp.sin, lambda x: x, 3), lambda z: z, 0, q4**2, range(4), F),
    "cos_f": lambda: fit(atz(mp.cos, lambda x: 1 - x * x / 2, 4), lambda z: z * z, 0, q4**2, range(3), F),
    "sin_of_float_d": lambda: fit(atz(mp.sin, lambda x: x, 3), lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)) if z else z, 0, 4 * q4**2, range(5), D),
    "sin_d": lambda: fit(atz(mp.sin, lambda x: x, 3), lambda z: z, 0, q4**2, range(6), D),
    "cos_d": lambda: fit(atz(mp.cos, lambda x: 1 - x * x / 2, 4), lambda z: z * z, 0, q4**2, range(6), D),
    "atan_f": lambda: fit(atz(mp.atan, lambda x: x, 3), lambda z: z, 0, t8**2, range(5), F),
    "atan_d": lambda: fit(atz(mp.atan, lambda x: x, 3), lambda z: z, 0, t8**2, range(11), D),
    "asin_f": lambda: fit(atz(mp.asin, lambda x: x, 3), lambda z: z, 0, 0.25, range(5), F),
    "asin_d": lambda: fit(atz(mp.asin, lambda x: x, 3), lambda z: z, 0, 0.25, range(13), D),
    "sinh_f": lambda: fit(atz(mp.sinh, lambda x: x, 3), lambda z: z, 0, 1, range(4), F),
    "sinh_d": lambda: fit(atz(mp.sinh, lambda x: x, 3), lambda z: z, 0, 1, range(7), D),
    "erf_d": lambda: fit(atz(mp.erf, lambda x: 0 * x, 1), one, 0, 1, range(13), D),
    "erfc_f": lambda: fit(erfc_at(K), lambda t: 1 / erfc_at(K)(t), (mp.mpf(0.5) - K) / (mp.mpf(0.5) + K), (mp.mpf("10.1") - K) / (mp.mpf("10.1") + K), range(11), F),
    "erfc_d": lambda: fit(erfc_at(K), lambda t: 1 / erfc_at(K)(t), (mp.mpf(0.5) - K) / (mp.mpf(0.5) + K), (mp.mpf("27.4") - K) / (mp.mpf("27.4") + K), range(22), D),
    "tanh_f": lambda: rational(lambda z: mp.tanh(sq(z)) / sq(z) if z > tiny else mp.mpf(1), lambda z: sq(z) / mp.tanh(sq(z)) if z > tiny else mp.mpf(1), 0, mp.mpf("9.02") ** 2, 4, 4),
    "erf_f": lambda: rational(lambda z: mp.erf(sq(z)) / sq(z) if z > tiny else 2 / sq(mp.pi), lambda z: sq(z) / mp.erf(sq(z)) if z > tiny else sq(mp.pi) / 2, 0, mp.mpf("3.925") ** 2, 5, 5),
}


def main():
    for name in sys.argv[1:] or TABLES:
        *tables, err = TABLES[name]()
        T = np.float64 if name.endswith("_d") else np.float32
        print(f"{name}: error 2^{float(mp.log(abs(mp.mpf(err)), 2)):.2f}")
        for c in tables:
            print("   ", ", ".join(f"{float(v)!r}" if T is np.float64 else f"{np.float32(float(v))!s}f" for v in c))


if __name__ == "__main__":
    main()
