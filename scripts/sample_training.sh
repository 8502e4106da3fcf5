#!/usr/bin/env bash
# From spoken sentences to a Whisper checkpoint, its error rates and a report, in a minute or two on a CPU:
#   bash scripts/sample_training.sh FOLDER
# Needs melisma with its extra `train` on the path. The network is a tiny one with random weights, so nothing is fetched.
set -euo pipefail
if (($# != 1)); then
    echo "usage: sample_training.sh FOLDER" >&2
    exit 2
fi
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
export MELISMA_ROOT=$folder
cd "$folder"
set -x
python "$scripts/sample_corpus.py" manifests
melisma train whisper-processor manifests/train.jsonl --name sample --vocabulary 400 --languages bs,hr,sr
melisma train whisper manifests/train.jsonl --valid manifests/valid.jsonl --run sample --model random:tiny \
    --processor models/processor/sample --fast-dev-run
melisma eval asr manifests/valid.jsonl --model models/whisper/sample/fast-dev-run --run sample.fast-dev-run
melisma report models/whisper/sample/fast-dev-run
