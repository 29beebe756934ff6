#!/usr/bin/env bash
# Builds the GPU's library for machines without a GPU: every .cu file as C++, on the host shim (csrc/testing/shim.h).
# Usage: tools/shim.sh [OUTPUT]; default build/_cuda_shim.so. FASTNN_SHIM_SANITIZE=1 builds with ASan and UBSan.
set -euo pipefail
cd "$(dirname "$0")/.."
output=${1:-build/_cuda_shim.so}
flags=(-std=gnu++20 -O1 -fPIC -fvisibility=hidden -fwrapv -ffp-contract=off -Wall -Wextra -Wno-unknown-pragmas -Wno-psabi -Wno-clobbered
  -DFN_SHIM -DFN_CUDA -DFN_ISA=cuda)
[ -z "${FASTNN_SHIM_SANITIZE:-}" ] || flags+=(-g -fsanitize=address,undefined -fno-sanitize=vptr)
compiler=(${CXX:-g++})
command -v ccache > /dev/null && compiler=(ccache "${compiler[@]}")
objects=$(dirname "$output")/shim
mkdir -p "$objects"
sources=(csrc/kernels/table.cu csrc/kernels/*/*.cu csrc/kernels/*/rungs/*.cu csrc/testing/*.cpp csrc/core/cuda/put.cu csrc/core/cuda/*.cpp csrc/core/error.cpp)
for source in "${sources[@]}"; do
  [ -e "$source" ] || continue
  echo "-x c++ -c $source -o $objects/$(echo "$source" | tr / _).o"
done | xargs -P "$(nproc)" -L 1 "${compiler[@]}" "${flags[@]}"
"${CXX:-g++}" -shared -o "$output" ${FASTNN_SHIM_SANITIZE:+-fsanitize=address,undefined} "$objects"/*.o
echo "$output"
