#!/usr/bin/env bash
# Builds with AddressSanitizer and UndefinedBehaviorSanitizer and runs the kernel tests under them (gcc, Linux).
# Usage: tools/sanitize.sh [pytest arguments]; PYTHON chooses the interpreter, FASTNN_SANITIZE_ISA the instruction set (v3).
# FASTNN_SANITIZE_DIR=DIR keeps the build there for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
isa=${FASTNN_SANITIZE_ISA:-v3}
copy=${FASTNN_SANITIZE_DIR:-$(mktemp -d)}
[ -n "${FASTNN_SANITIZE_DIR:-}" ] || trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy"
rm -rf "$copy"/python
cp -r -p csrc python bench tests tools examples CMakeLists.txt pyproject.toml "$copy"
rm -f "$copy"/python/fastnn/_cpu*.so "$copy"/python/fastnn/bench
cmake -S "$copy" -B "$copy/build" -DFASTNN_SANITIZE=ON -DFASTNN_ISAS="$isa" -DPython_EXECUTABLE="$(command -v "$python")" \
  -DCMAKE_BUILD_TYPE=None ${CMAKE_ARGS:-} > /dev/null
cmake --build "$copy/build" -j "$(nproc)"
cd "$copy"
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(tests/test_kernels.py tests/test_gradients.py)
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)" \
ASAN_OPTIONS=detect_leaks=0:strict_init_order=1:allocator_may_return_null=1 \
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONMALLOC=malloc PYTHONPATH=python \
  "$python" -m pytest -q -p no:cacheprovider "${tests[@]}"
