# SPDX-License-Identifier: GPL-3.0-or-later
"""The media types of images: OCI image specification 1.1, and Docker's image manifest version 2, schema 2."""

from __future__ import annotations

_OCI, _DOCKER = "application/vnd.oci.image.", "application/vnd.docker."

INDEX = f"{_OCI}index.v1+json"
MANIFEST = f"{_OCI}manifest.v1+json"
CONFIG = f"{_OCI}config.v1+json"
LAYER = f"{_OCI}layer.v1.tar"
LAYER_GZIP, LAYER_ZSTD = f"{LAYER}+gzip", f"{LAYER}+zstd"
DOCKER_LIST = f"{_DOCKER}distribution.manifest.list.v2+json"
DOCKER_MANIFEST = f"{_DOCKER}distribution.manifest.v2+json"
DOCKER_CONFIG = f"{_DOCKER}container.image.v1+json"
DOCKER_LAYER, DOCKER_GZIP = f"{_DOCKER}image.rootfs.diff.tar", f"{_DOCKER}image.rootfs.diff.tar.gzip"

MANIFESTS, INDEXES, CONFIGS = (MANIFEST, DOCKER_MANIFEST), (INDEX, DOCKER_LIST), (CONFIG, DOCKER_CONFIG)
LAYERS = (LAYER, LAYER_GZIP, LAYER_ZSTD, DOCKER_LAYER, DOCKER_GZIP, f"{DOCKER_LAYER}.zstd")
SCHEMA_1 = f"{_DOCKER}distribution.manifest.v1"

# Bytes of one index, manifest or config: longer ones are not read.
DOCUMENT = 4 << 20
