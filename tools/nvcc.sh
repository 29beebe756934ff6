#!/usr/bin/env bash
# Compiles every .cu file with nvcc (12 or newer; needs no GPU) and compares what each kernel takes of a multiprocessor with
# tools/nvcc_budget.tsv: more registers than there (by over 8), any new spill, or more shared memory fails.
# Usage: tools/nvcc.sh [--write] [ARCH ...]; default sm_75 sm_80 sm_86 sm_89 sm_90a; the last one's kernels are compared.
set -euo pipefail
cd "$(dirname "$0")/.."
write=
[ "${1:-}" = --write ] && write=--write && shift
archs=("$@")
[ ${#archs[@]} -gt 0 ] || archs=(sm_75 sm_80 sm_86 sm_89 sm_90a)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile() {  # ARCH FILE
  local to=$work/$1.${2//\//_}
  nvcc -std=c++20 -O3 -gencode="arch=compute_${1#sm_},code=$1" --expt-relaxed-constexpr \
    -diag-suppress 20012,20013,20014,20015 -Xptxas -v -DFN_CUDA -DFN_ISA=cuda -x cu -c "$2" -o "$to.o" > "$to.log" 2>&1 && return
  grep -m 5 error "$to.log"
  echo "nvcc: $2 does not compile for $1"
  exit 255  # ends xargs too
}
export -f compile
export work

files=(csrc/kernels/*/*.cu csrc/kernels/*/rungs/*.cu csrc/kernels/table.cu csrc/core/cuda/*.cu)
for arch in "${archs[@]}"; do printf "$arch %s\n" "${files[@]}"; done | xargs -P "$(nproc)" -L 1 bash -c 'compile "$0" "$1"'
if grep -l "wgmma.mma_async instructions are serialized" "$work"/*.log; then exit 1; fi
compared=${archs[-1]}
python3 tools/nvcc_budget.py $write "$compared" "$work/$compared".*.log
echo "nvcc: ${#files[@]} files compile for ${archs[*]}"
