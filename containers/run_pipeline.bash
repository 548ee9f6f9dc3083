#!/usr/bin/env bash
# DeepECG's command: runs this workflow with the heartwise.config of the working folder.
#   bash run_pipeline.bash --mode full_run --csv_file_name cohort.csv
# Every error is repeated at the end, and any makes the exit status 1. CORES limits the cores it takes (all of them).
set -uo pipefail

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
PATH=$root/.venv/bin:$PATH
config=heartwise.config
mode=
values=() # for Snakemake's --config
errors=()

usage() {
  cat <<'END'
bash run_pipeline.bash [--mode MODE] [--csv_file_name FILE]
  --mode MODE           preprocessing, analysis or full_run; by default that of heartwise.config, else full_run
  --csv_file_name FILE  the table, relative to data_path of heartwise.config
END
}

# The value of a key of heartwise.config, without its quotes; a comment may follow it.
setting() {
  sed -nE "s/^$1[[:space:]]*:[[:space:]]*//p" "$config" | tail -n 1 |
    sed -E "s/^\"([^\"]*)\".*/\1/; t; s/^'([^']*)'.*/\1/; t; s/(^|[[:space:]]+)#.*//; s/[[:space:]]*$//"
}

# Whether a key of heartwise.config is false, in any of YAML's spellings.
is_off() {
  local value
  value=$(setting "$1")
  [[ ${value,,} =~ ^(false|no|off)$ ]]
}

read_arguments() {
  while (($#)); do
    case $1 in
      -h | --help) usage; exit ;;
      --mode=* | --csv_file_name=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    esac
    case $1 in
      --mode | --csv_file_name) [[ -n ${2:-} ]] || { errors+=("$1: its value is missing"); return; } ;;&
      --mode) mode=$2; shift ;;
      --csv_file_name) values+=("csv_file_name=$2"); shift ;;
      *) errors+=("$1: no such option; there are --mode MODE and --csv_file_name FILE") ;;
    esac
    shift
  done
}

check() {
  if [[ ! -f $config ]]; then
    errors+=("there is no $config in $PWD; write one there, or mount it")
  else
    mode=${mode:-$(setting mode)}
    local key folder
    for key in output_folder preprocessing_folder; do
      folder=$(setting $key)
      [[ ! -d $folder || -w $folder ]] || errors+=(
        "$key: user $(id -u) may not write in $folder; start the container with --user \"\$(id -u):\$(id -g)\"")
    done
  fi
  mode=${mode:-full_run}
  [[ $mode =~ ^(preprocessing|analysis|full_run)$ ]] ||
    errors+=("mode \`$mode\`: expected preprocessing, analysis or full_run")
}

# Why a run of Snakemake failed: the workflow's own messages and what failed jobs logged; for a job that logged nothing,
# where to look; where there is none of it, Snakemake's last line.
errors_in() {
  awk '
    function close_job() { if (job != "" && !explained) print job " failed; see " (job_log ? job_log : "above"); job = "" }
    NF               { last = $0 }
    /^Error in rule / { close_job(); job = $4; sub(":", "", job); job_log = ""; explained = 0; found = 1 }
    sub(/^    log: /, "") { job_log = $0; sub(/ \(check log file\(s\) for error details\)$/, "", job_log) }
    /^ERROR /        { print job ": " substr($0, 7); explained = 1 }
    /^Error: /       { print substr($0, 8); found = 1 }
    END              { close_job(); if (!found) print last }
  ' "$1"
}

# run_snakemake TARGET... ; takes further --config values from `values`.
run_snakemake() {
  local transcript
  transcript=$(mktemp)
  snakemake --snakefile "$root/Snakefile" --cores "${CORES:-$(nproc)}" "$@" --configfile "$config" \
    ${values[@]+--config "${values[@]}"} 2>&1 | tee "$transcript" ||
    mapfile -t -O "${#errors[@]}" errors < <(errors_in "$transcript")
  rm -f "$transcript"
}

# As DeepECG does: its models that are not there yet are fetched, where there is a key for them.
fetch_models() {
  local key weights name missing=() families=Bert_diagnosis2classification_En_Fr
  key=$(setting hugging_face_api_key_path)
  weights=$(setting weights)
  [[ -n ${HF_TOKEN:-} || -f ${key:-api_key.json} ]] || return
  is_off use_efficientnet || families+='|efficientnetv2_\w+'
  is_off use_wcr || families+='|wcr_\w+'
  for name in $(grep -oE "^($families):" "$root/config/models.yaml" | tr -d :); do
    [[ -f ${weights:-weights}/$name/model.lock.json ]] || missing+=("$name")
  done
  ((${#missing[@]})) || return
  local values=(${values[@]+"${values[@]}"} "models=[$(IFS=,; echo "${missing[*]}")]")
  run_snakemake fetch_models
}

# Every error once; models that were not fetched for the same reason share a line.
list_errors() {
  printf '%s\n' "${errors[@]}" | awk -F ': ' '
    seen[$0]++                { next }
                              { model = "" }
    /^fetch_models: [^ :]+: / { model = $2; sub(": " model, "") }
    $0 in models              { models[$0] = models[$0] ", " model; next }
                              { models[$0] = model; lines[++count] = $0 }
    END {
      for (i = 1; i <= count; i++) {
        model = models[lines[i]]
        if (model != "") sub(": ", ": " model ": ", lines[i])
        print "- " lines[i]
      }
    }
  '
}

read_arguments "$@"
check
if ((${#errors[@]} == 0)); then
  case $mode in
    preprocessing) run_snakemake preprocessing ;;
    *) fetch_models; run_snakemake "$mode" deepecg_layout ;;
  esac
fi
if ((${#errors[@]})); then
  printf '\nErrors encountered:\n'
  list_errors
  exit 1
fi
