#!/usr/bin/env bash
# Makes the ComfyUIs that the pack is tested in, each with its own .venv. What is there stays as it is; where git
# cannot reach a repository, that is said, and the exit status is 1.
#
#   tests/comfyui/install_comfyui.sh [oldest|newest]     without a word: both
#
# The oldest that is supported goes to ~/ComfyUI, the newest that the tests know to ~/ComfyUI-0.33. Others:
#   COMFYUI_OLDEST, COMFYUI_NEWEST                       folders
#   COMFYUI_OLDEST_SOURCE, COMFYUI_NEWEST_SOURCE         git repositories
#   COMFYUI_OLDEST_REVISION, COMFYUI_NEWEST_REVISION     tags or other revisions there
#   PYTHON                                               makes the virtual environments
set -uo pipefail

PUBLIC=https://github.com/Comfy-Org/ComfyUI
# Vocabularies of text encoders: nothing here needs them, and copies of the repository may lack them.
LEFT_OUT=('!comfy/text_encoders/llama_tokenizer/tokenizer.json' '!comfy/text_encoders/qwen35_tokenizer/vocab.json')
export GIT_TERMINAL_PROMPT=0

# complete FOLDER: whether a ComfyUI is there that can be started.
complete() {
  [ -f "$1/main.py" ] && "$1/.venv/bin/python" -c '
from importlib.util import find_spec
raise SystemExit(not all(map(find_spec, ("torch", "requests", "comfyui_frontend_package"))))' 2>/dev/null
}

# get FOLDER SOURCE REVISION: the files of that revision.
get() {
  local folder=$1 source=$2 revision=$3 unfinished=$1.unfinished
  [ -f "$folder/main.py" ] && return
  if ! timeout 20 git ls-remote --quiet "$source" HEAD >/dev/null 2>&1; then
    echo "$folder: not made, git cannot reach $source" >&2
    return 1
  fi
  rm -rf "$unfinished"
  git clone --quiet --no-checkout --filter=blob:none "$source" "$unfinished" &&
    git -C "$unfinished" sparse-checkout set --no-cone '/*' "${LEFT_OUT[@]}" &&
    git -C "$unfinished" -c advice.detachedHead=false checkout --quiet --detach "$revision" &&
    mv -T "$unfinished" "$folder"
}

# install FOLDER: its requirements. torchaudio asks for an older torch than it needs, so it comes by itself. 0.3.64
# imports requests without asking for it.
install() {
  local python=$1/.venv/bin/python requirements
  [ -x "$python" ] || "${PYTHON:-python3}" -m venv "$1/.venv" || return
  requirements=$(mktemp)
  grep -v '^torchaudio' "$1/requirements.txt" > "$requirements"
  "$python" -m pip install --quiet --disable-pip-version-check -r "$requirements" requests &&
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps torchaudio
  local status=$?
  rm -f "$requirements"
  return $status
}

# make FOLDER SOURCE REVISION
make() {
  complete "$1" && return
  get "$@" && install "$1" && complete "$1" && echo "$1: made"
}

oldest() {
  make "${COMFYUI_OLDEST:-$HOME/ComfyUI}" "${COMFYUI_OLDEST_SOURCE:-$PUBLIC}" "${COMFYUI_OLDEST_REVISION:-v0.3.64}"
}

newest() {
  make "${COMFYUI_NEWEST:-$HOME/ComfyUI-0.33}" "${COMFYUI_NEWEST_SOURCE:-$PUBLIC}" "${COMFYUI_NEWEST_REVISION:-v0.33.0}"
}

case ${1-} in
  oldest | newest) "$1" ;;
  '') status=0; oldest || status=1; newest || status=1; exit $status ;;
  *) echo "usage: $0 [oldest|newest]" >&2; exit 2 ;;
esac
