#!/usr/bin/env bash
# Builds the image and saves it as the archive to upload: container/save.sh [exec|invoke] [cpu|gpu] [FILE]
set -euo pipefail
mode=${1:-exec} device=${2:-cpu}
case $mode in exec | invoke) ;; *) echo "'$mode' is neither exec nor invoke" >&2; exit 2 ;; esac
case $device in
  cpu) dockerfile=Dockerfile ;;
  gpu) dockerfile=Dockerfile.gpu ;;
  *) echo "'$device' is neither cpu nor gpu" >&2; exit 2 ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tag=atypica-grand-challenge:$mode-$device
file=${3:-atypica-$mode-$device.tar.gz}
docker build --platform linux/amd64 --file "$root/container/$dockerfile" --target "$mode" --tag "$tag" "$root"
trap 'rm -f "$file.part"' EXIT
docker save "$tag" | gzip -c > "$file.part"
mv "$file.part" "$file"
echo "$file"
