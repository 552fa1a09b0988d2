#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All that the first minutes on a GPU are for, in under eight: chunks with one to three views operator by operator, compiled
# and as CUDA graphs, against their floors, and training steps. Each part has its time; what a part has found until then
# stays. One JSON comes of it.
#
#   benchmarks/gpu.sh                                   # the released size, on a GPU
#   benchmarks/gpu.sh --output h200.json
#   benchmarks/gpu.sh --device cpu --size shipped       # the script itself, on any machine, in seconds
set -u
device=cuda size=released output=gpu.json
usage="usage: benchmarks/gpu.sh [--device cuda|cpu] [--size released|shipped] [--output FILE]"
while (($#)); do
  case $1 in
    -h | --help) echo "$usage"; exit 0 ;;
    --device | --size | --output)
      (($# > 1)) || { echo "error: $1 wants a value. $usage" >&2; exit 2; }
      declare "${1#--}=$2"; shift 2 ;;
    *) echo "error: $1 is unknown. $usage" >&2; exit 2 ;;
  esac
done
case $device in cuda | cpu) ;; *) echo "error: the device is $device. $usage" >&2; exit 2 ;; esac
case $size in released | shipped) ;; *) echo "error: the size is $size. $usage" >&2; exit 2 ;; esac

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../.venv/bin/python}
[[ -x $python ]] || python=$(command -v python3 || command -v python) || { echo "error: there is no python." >&2; exit 2; }
if [[ $device == cuda ]] && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
  echo "error: torch finds no GPU here; to try the script itself: benchmarks/gpu.sh --device cpu --size shipped" >&2
  exit 2
fi
: >"$output" || { echo "error: $output cannot be written; give --output another file." >&2; exit 2; }

# Seconds: 330 + 75 + 15, and 5 more for each that will not end. On a GPU, most of the chunks' go into compiling.
if [[ $device == cuda ]]; then
  chunks=330 training=75
  chunk_options=(--seconds 60) training_options=(--rows 4 --steps 20 --seconds 25)
else
  chunks=${GPU_SH_SECONDS:-60} training=${GPU_SH_SECONDS:-60}
  chunk_options=(--seconds 5 --runs 3 --pixels 56 --horizon 10 --steps 2) training_options=(--rows 2 --steps 2)
fi

found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
part() { # name, seconds, command: runs it for so long, keeps how it ended
  local name=$1 limit=$2 begin=$SECONDS status=0
  shift 2
  echo "$name, at most $limit s"
  timeout -k 5 "$limit" "$@" 2>"$found/$name.errors" || status=$?
  ((status == 0)) || { echo "  ended with $status:" >&2; tail -n 3 "$found/$name.errors" >&2; }
  printf '{"status": %d, "seconds": %d}\n' "$status" $((SECONDS - begin)) >"$found/$name.end"
}
part chunks "$chunks" "$python" "$here/gpu_chunks.py" --device "$device" --size "$size" "${chunk_options[@]}" --json "$found/chunks.json"
part training "$training" "$python" "$here/training_step.py" --device "$device" --size "$size" "${training_options[@]}" --json "$found/training.json"
timeout -k 5 15 "$python" "$here/gpu_report.py" "$found" "$device" "$output"
