#!/usr/bin/env bash
# Compiles every kernel for NEON with a cross compiler (Debian: g++-aarch64-linux-gnu): the same text must serve there.
set -euo pipefail
cd "$(dirname "$0")/.."
compiler=${CXX_AARCH64:-aarch64-linux-gnu-g++}
for f in csrc/kernels/*/*.cpp csrc/kernels/*/rungs/*.cpp csrc/kernels/table.cpp; do
  "$compiler" -std=gnu++20 -O1 -fsyntax-only -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wall -Wno-psabi \
    -Wno-ignored-attributes -DFN_ISA=neon "$f" || { echo "neon: $f does not compile"; exit 1; }
done
echo "neon: all kernels compile"
