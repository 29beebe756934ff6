#!/usr/bin/env bash
# Everything that needs a GPU, in one run of less than 10 minutes: builds for this GPU, runs the tests on it, runs the sanitizers'
# four tools, and times kernels beside PyTorch's. Usage: bench/gpu.sh [OUTPUT FOLDER]; needs nvcc, Python with NumPy and pytest, and
# for the rivals torch.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-gpu-$(date +%Y%m%d-%H%M%S)}
mkdir -p "$out"
python=${PYTHON:-python3}
failed=0
step() { echo "== $1"; shift; "$@" || { echo "FAILED: $*"; failed=1; }; }

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/gpu.txt"
arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
[ "$arch" = 90 ] && arch=90a

build() {
  cmake -S . -B "$out/build" -DFASTNN_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES="$arch-real" -DPython_EXECUTABLE="$(command -v "$python")" \
    -DFASTNN_ISAS=v3 > "$out/configure.log" 2>&1 && cmake --build "$out/build" -j "$(nproc)" > "$out/build.log" 2>&1
}
step "build (sm_$arch)" build || exit 1
export PYTHONPATH=python
step "there is a GPU" "$python" -c "import fastnn; fastnn.cuda.require(); print(fastnn.cuda.get_device_name(), len(fastnn.cuda.kernels()), 'kernels')"
step "tests" "$python" -m pytest -q tests/test_cuda.py tests/test_cuda_halves.py tests/test_cuda_streams.py tests/test_cuda_graphs.py
step "tests, every call waiting" env FASTNN_CUDA_SYNC=1 "$python" -m pytest -q tests/test_cuda.py -k "faults or range or training"
if command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck initcheck synccheck; do
    step "compute-sanitizer $tool" timeout 90 compute-sanitizer --tool "$tool" --error-exitcode 9 \
      "$python" -m pytest -q tests/test_cuda.py tests/test_cuda_halves.py tests/test_cuda_graphs.py -k "products or convolutions or shapes or training or plain_step or (cpus and float32 and (softmax or reduce or matmul or loss or norm or index or sort or attention or rnn))"
  done
else
  echo "compute-sanitizer is not installed: nothing was sanitized"
fi
step "beside PyTorch" "$python" bench/cuda.py --json "$out/bench.json"
step "small networks beside PyTorch" "$python" -m fastnn.bench.cuda_steps --json "$out/steps.json"
exit $failed
