#!/bin/sh
# What the Dockerfile and twelvelead.def do alike, so that it stands once: the pinned packages in /opt/venv, and the
# folder of DeepECG's mounts. TORCH_INDEX is the package index that torch comes from; empty = the one pip is set to use.
set -eu

# Secrets and caches: .dockerignore keeps the same names out of Docker's build, but Apptainer copies folders whole.
remove_unwanted() {
  for name in 'api_key*.json' '*.token' .env '.env.*' .netrc '*.pem' '*.key' __pycache__ '*.egg-info' '.*_cache' '*.sif'; do
    find "$@" -name "$name" -prune -exec rm -rf {} +
  done
}

pip() { /opt/venv/bin/pip --disable-pip-version-check --no-cache-dir "$@"; }

python3 -m venv /opt/venv
# By itself first: a CPU index and a CUDA one hold other builds of the same version, which then meets requirements.txt.
pip install --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' /opt/twelvelead/requirements.txt)"
pip install -r /opt/twelvelead/requirements.txt

# The package is not installed: rules read the library of the checkout they belong to, never one in the image.
printf '#!/bin/sh\nPYTHONPATH=/opt/twelvelead/scripts exec python -m twelvelead "$@"\n' > /opt/venv/bin/twelvelead
chmod 755 /opt/venv/bin/twelvelead

# Like /tmp: a container may be run as any user, who keeps Snakemake's records here.
mkdir -p /app/inputs /app/outputs /app/ecg_signals /app/preprocessing /app/weights
chmod 1777 /app /app/outputs /app/preprocessing /app/weights
remove_unwanted /opt/twelvelead /app/weights
ln -s /opt/twelvelead/containers/run_pipeline.bash /app/run_pipeline.bash
