#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All that wants a GPU: builds bench/gpu with nvcc alone, checks, measures, writes one JSON and
# prints one table. bench/gpu/README.md says what is in it.
set -uo pipefail

usage() {
  cat <<'END'
usage: gpu_check.sh [--quick | --full] [--out FILE] [--include DIR]...
                    [--limit SECONDS] [--stand-in]
  --quick          only what is most important
  --full           all there is; give it a --limit that is long enough
  --out FILE       the JSON; without: bench/results/<gpu>-<date>.json
  --include DIR    a folder with nlohmann/json.hpp or nccl.h in it
  --limit SECONDS  for all of it (590)
  --stand-in       no GPU: builds with g++ on tests/support/cuda_on_host, at sizes that mean
                   nothing, to see that all of this works
Exit code: 0, or 1 if a check failed (a speed that is missed isn't one) or none ran, or 2 for bad
usage, or 143 if it was ended by a signal; what was found until then is written.
END
}
refuse() { # message
  echo "gpu_check.sh: $1" >&2
  usage >&2
  exit 2
}

size=() out='' limit=590 stand_in='' includes=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick | --full) size=("$1") ;;
    --stand-in) stand_in=1 ;;
    --help | -h) usage; exit 0 ;;
    --out | --include | --limit)
      [ $# -ge 2 ] || refuse "$1 needs a value"
      case $1 in
        --out) out=$2 ;;
        --include) [ -d "$2" ] || refuse "--include: no such folder: $2"
          includes+=("$(cd "$2" && pwd)") ;;
        --limit) [[ $2 =~ ^[1-9][0-9]*$ ]] || refuse "--limit: not a number of seconds: $2"
          limit=$2 ;;
      esac
      shift ;;
    *) refuse "no such option: $1" ;;
  esac
  shift
done
[ -z "$out" ] || case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# --- what is here -----------------------------------------------------------------------
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
smi() { nvidia-smi --query-gpu="$1" --format=csv,noheader -i 0 2>/dev/null | head -n 1; }
if [ -n "$stand_in" ]; then
  gpu_name=stand-in driver=none cuda=none arch=none size=(--tiny)
else
  [ -x "$nvcc" ] || { echo "gpu_check.sh: no nvcc, neither on the PATH nor at $nvcc" >&2; exit 1; }
  gpu_name=$(smi name) driver=$(smi driver_version) capability=$(smi compute_cap)
  if [ -z "$gpu_name" ] && ! compgen -G '/dev/nvidia[0-9]*' >/dev/null; then
    echo "gpu_check.sh: no GPU here; --stand-in does without" >&2
    exit 1
  fi
  gpu_name=${gpu_name:-gpu} driver=${driver:-unknown}
  cuda=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
  arch=native
  [[ ! $capability =~ ^[0-9]+\.[0-9]+$ ]] || arch=sm_${capability/./}
fi
short=$(tr '[:upper:]' '[:lower:]' <<<"$gpu_name" | sed 's/^nvidia //; s/ .*//; s/[^a-z0-9-]/-/g')
commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ "$commit" = unknown ] || git diff --quiet HEAD 2>/dev/null || commit="$commit and changes"
[ -n "$out" ] || out=$PWD/bench/results/$short-$(date +%F).json
if ! { mkdir -p "$(dirname "$out")" && : >>"$out"; } 2>/dev/null; then
  refuse "--out: can't be written: $out"
fi

work=$(mktemp -d)
lines=$work/lines # JSON lines; the table's are in lines.table
: >"$lines" && : >"$lines.table"

# Plain ASCII, so that nothing a compiler says can spoil the JSON.
quoted() { printf '%s' "$1" | LC_ALL=C tr -c ' -~' ' ' | sed 's/[\\"]/\\&/g'; }
tell() { # check outcome detail
  [ -z "$(tail -c 1 "$lines")" ] || echo >>"$lines" # after a program that was killed
  printf '{"check": "%s", "outcome": "%s", "detail": "%s"}\n' "$1" "$2" "$(quoted "$3")" >>"$lines"
  printf '  %-57s %s%s\n' "$1" "$2" "${3:+: $3}" | tee -a "$lines.table"
}
heading() {
  echo "$1" | tee -a "$lines.table"
}

# --- what came of it, however it ends -----------------------------------------------------
# Whole lines only: a program may have been killed in the middle of one.
joined() { grep "^{\"$1\":.*}\$" "$lines" | sed '$!s/$/,/; s/^/    /'; }
count() { grep -c "$1" "$lines"; }
finish() {
  {
    printf '{\n  "gpu": "%s", "driver": "%s", "cuda": "%s", "arch": "%s",\n' "$gpu_name" \
      "$driver" "$cuda" "$arch"
    printf '  "commit": "%s", "date": "%s", "seconds": %d, "how": "%s",\n' "$commit" \
      "$(date -u +%FT%TZ)" "$SECONDS" "${size[*]:-usual}"
    printf '  "checks": [\n%s\n  ],\n  "benches": [\n%s\n  ]\n}\n' "$(joined check)" \
      "$(joined bench)"
  } >"$out"
  echo
  echo "== $gpu_name, driver $driver, CUDA $cuda, commit $commit, $SECONDS s"
  cat "$lines.table"
  echo "== $(count '"outcome": "passed"') checks passed, $(count '"outcome": "FAILED"') failed," \
    "$(count '"outcome": "SKIPPED"') skipped; $(count '"met": true') targets met," \
    "$(count '"met": false') missed; $out"
}
running='' # what within_time waits for
interrupted() {
  trap '' TERM INT HUP
  [ -z "$running" ] || { kill "$running" && wait "$running"; } 2>/dev/null
  tell "the rest" SKIPPED "ended by a signal after $SECONDS s"
  exit 143
}
trap 'finish; rm -rf "$work"' EXIT
trap interrupted TERM INT HUP

left() { echo $((limit - SECONDS)); }
# Beside the shell, which hears signals only while it waits so.
within_time() { # seconds command...
  timeout -k 5 "$@" &
  running=$!
  wait "$running"
  local status=$?
  running=''
  return $status
}

find_header() { # name: the first folder that has it
  local dir
  for dir in ${includes[@]+"${includes[@]}"} /usr/include /usr/local/include \
    /usr/local/cuda/include "$PWD"/build/_fetched/*/*/usr/include "$packages"/*/include; do
    [ -f "$dir/$1" ] && echo "$dir" && return
  done
}
# NVIDIA's libraries as Python's packages bring them.
packages=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null || echo /none)
link_beside() { # folder of headers, library: how to link it; where it isn't found, as usual
  local found
  for found in "${1%/include}"/lib{,64,/*-linux-gnu}/"lib$2".so*; do
    [ -f "$found" ] || continue
    echo "-L${found%/*} -l:${found##*/} -Xlinker -rpath -Xlinker ${found%/*}"
    return
  done
  echo "-l$2"
}
json_include=$(find_header nlohmann/json.hpp)
nccl_include=$(find_header nccl.h)

# --- building -----------------------------------------------------------------------------
checks=(check_rows check_kernels check_layers check_golden check_steps check_planner check_nccl)
benches=(rows experts planner rank_serial)
programs=()
for name in "${checks[@]}" "${benches[@]}"; do
  [ "$name" = check_golden ] && [ -z "$json_include" ] && continue
  [ "$name" = check_nccl ] && [ -z "$nccl_include$stand_in" ] && continue
  programs+=("$name")
done

flags=(-std=c++20 -I include -I backends/cuda/include -I backends/nccl/include
  -I backends/emulated/include -I tests -I examples)
headers_in() { # folder: unless the compiler looks there anyway, and in which order matters to it
  case $1 in '' | /usr/include | /usr/local/include) ;; *) flags+=(-isystem "$1") ;; esac
}
headers_in "$json_include"
libraries=() nccl_libraries=() suffix=()
if [ -n "$stand_in" ]; then
  compile=(g++ -O1 -pthread -Wno-unknown-pragmas -isystem tests/support/cuda_on_host -x c++)
  suffix=(tests/cuda/shared_memory.cpp)
else
  compile=("$nvcc" -O3 -arch="$arch")
  toolkit=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
  libraries=(-lcublas -Xlinker -rpath -Xlinker "$toolkit/lib64")
  if [ ! -f "$toolkit/include/cublas_v2.h" ]; then
    cublas_include=$(find_header cublas_v2.h)
    headers_in "$cublas_include"
    read -ra libraries <<<"$(link_beside "$cublas_include" cublas)"
  fi
  headers_in "$nccl_include"
  read -ra nccl_libraries <<<"$(link_beside "$nccl_include" nccl)"
fi

# One script a program, so that xargs can run them side by side, all until the same end.
for name in "${programs[@]}"; do
  extra=()
  [ "$name" != check_nccl ] || extra=(${nccl_libraries[@]+"${nccl_libraries[@]}"})
  {
    printf '%q ' "${compile[@]}" "${flags[@]}" "bench/gpu/$name.cu" \
      ${suffix[@]+"${suffix[@]}"} -o "$work/$name.part" ${libraries[@]+"${libraries[@]}"} \
      ${extra[@]+"${extra[@]}"}
    printf '>%q 2>&1 || { touch %q; exit; }\n' "$work/$name.build" "$work/$name.failed"
    printf 'mv %q %q\n' "$work/$name.part" "$work/$name"
  } >"$work/$name.sh"
done
echo "building ${#programs[@]} programs for $gpu_name ($arch)"
printf '%s\n' "${programs[@]}" >"$work/programs"
within_time "$(left)" xargs -a "$work/programs" -P "$(nproc)" -I '{}' bash "$work/{}.sh"

# --- running -------------------------------------------------------------------------------
# The end of a program's own words, for a line of the table.
last_words() { tail -n 3 "$1" | tr '\n' ' ' | cut -c 1-300; }

run_part() { # name seconds arguments...
  local name=$1 asked=$2 seconds=$2 status
  shift 2
  [ "$seconds" -le "$(left)" ] || seconds=$(left)
  if [ -e "$work/$name.failed" ]; then
    tell "$name builds" FAILED "$(grep -m 3 -i error "$work/$name.build" | cut -c 1-300)"
    return
  elif [ ! -x "$work/$name" ] || [ "$seconds" -lt 5 ]; then
    tell "$name runs through" SKIPPED "no time left of $limit s"
    return
  fi
  within_time "$seconds" "$work/$name" ${size[@]+"${size[@]}"} --out "$lines" "$@" \
    2>"$work/$name.errors"
  status=$?
  case $status in
    0) tell "$name runs through" passed "" ;;
    124 | 137)
      if [ "$seconds" -lt "$asked" ]; then # no sign that it hangs
        tell "$name runs through" SKIPPED "no time left of $limit s: ended after $seconds s"
      else
        tell "$name runs through" FAILED "hangs: ended after $seconds s"
      fi ;;
    *) tell "$name runs through" FAILED "exit code $status: $(last_words "$work/$name.errors")" ;;
  esac
}

# A program that begins nothing new a while before its time is over.
run_in_time() { # name seconds
  local seconds=$2
  [ "$seconds" -le "$(left)" ] || seconds=$(left)
  run_part "$1" "$2" --seconds "$((seconds > 10 ? seconds * 4 / 5 : 5))"
}

sanitize() { # tool program seconds
  local label="compute-sanitizer $1: $2" seconds=$3 status
  [ "$seconds" -le "$(left)" ] || seconds=$(left)
  if [ -n "$stand_in" ] || [ ! -x "$sanitizer" ]; then
    tell "$label" SKIPPED "NO compute-sanitizer here"
    return
  elif [ ! -x "$work/$2" ] || [ "$seconds" -lt 10 ]; then
    tell "$label" SKIPPED "not built, or no time left of $limit s"
    return
  fi
  within_time "$seconds" "$sanitizer" --tool "$1" --error-exitcode 99 \
    --report-api-errors no "$work/$2" --tiny >"$work/sanitizer" 2>&1
  status=$?
  case $status in
    0) tell "$label" passed "" && return ;;
    124 | 137) tell "$label" SKIPPED "not through in $seconds s" && return ;;
  esac
  if [ $status != 99 ] &&
    grep -qiE 'not supported|LibraryNotLoaded|unable to (load|attach)' "$work/sanitizer"; then
    tell "$label" SKIPPED "REFUSED here: $(last_words "$work/sanitizer")"
  else # 99: it found something
    cat "$work/sanitizer"
    tell "$label" FAILED "exit code $status: $(grep -m 2 '=====' "$work/sanitizer" | tr '\n' ' ')"
  fi
}

heading "checks on $gpu_name"
[ -n "$json_include" ] || tell "golden layers" SKIPPED \
  "NO nlohmann/json.hpp: neither in the system nor in build/_fetched; name its folder: --include"
[ -n "$nccl_include$stand_in" ] || tell "NCCL" SKIPPED "NO nccl.h: name its folder: --include"
for name in "${checks[@]}"; do
  [[ " ${programs[*]} " == *" $name "* ]] && run_in_time "$name" 90
done
heading "speed of $gpu_name (a target that is missed fails nothing)"
run_in_time rows 40
run_in_time experts 75
run_in_time planner 40
heading "checks under compute-sanitizer"
for name in check_rows check_planner check_kernels; do
  sanitize memcheck "$name" 45
done
for name in check_rows check_planner; do
  sanitize racecheck "$name" 45
done

heading "speed of $gpu_name, rank by rank"
rank_serial_seconds=$(left) # all that is left
run_in_time rank_serial "$((rank_serial_seconds > 170 ? rank_serial_seconds : 170))"

failed=$(count '"outcome": "FAILED"')
passed=$(count '"outcome": "passed"')
[ "$failed" = 0 ] && [ "$passed" != 0 ]
