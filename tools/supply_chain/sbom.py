"""Writes a bill of materials (CycloneDX) per image: every locked package, its hashes and licence.

The output is reproducible: it has no timestamp, and its serial number derives from the packages.
`cyclonedx-py requirements` would leave out the licences and name the host of a package index.
"""

import re
import uuid
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from devstack.repository import REPOSITORY

from .lock_files import IMAGES, Package, npm_packages, python_packages

FOLDER = REPOSITORY / ".local" / "sbom"
_DOCKERFILE = REPOSITORY / "deploy" / "service.Dockerfile"
_NAMESPACE = uuid.UUID("7b3e7a52-6a39-4cbb-9d39-5a4e2f0c7a11")


def write_all() -> list[Path]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    paths = []
    for image in IMAGES:
        path = FOLDER / f"{image}.cdx.json"
        path.write_text(sbom(image))
        paths.append(path)
    return paths


def sbom(image: str) -> str:
    """JSON of CycloneDX 1.6. It does not list the system packages of the base image."""
    packages = python_packages(image) + (npm_packages() if image == "gateway" else [])
    bom = Bom(components=[_base_image(), *map(_component, packages)])
    bom.metadata.component = Component(
        name=f"warble/{image}", type=ComponentType.CONTAINER, bom_ref=f"warble/{image}"
    )
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.register_dependency(bom.metadata.component, bom.components)
    bom.serial_number = uuid.uuid5(_NAMESPACE, f"{image} {sorted(packages)}")
    text: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(
        indent=1
    )
    return text + "\n"


def _component(package: Package) -> Component:
    namespace, _, name = package.name.rpartition("/")
    purl = PackageURL(package.kind, namespace or None, name, package.version)
    hashes = [
        HashType(alg=HashAlgorithm(package.algorithm), content=digest) for digest in package.hashes
    ]
    return Component(
        name=package.name,
        version=package.version,
        bom_ref=str(purl),
        purl=purl,
        licenses=[LicenseFactory().make_from_string(package.licence)] if package.licence else [],
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                # The package's URL without a registry's host: packages may come from a mirror.
                url=XsUri(str(purl)),
                hashes=hashes,
            )
        ],
    )


def _base_image() -> Component:
    """The image named by the Dockerfile's argument PYTHON."""
    match = re.search(r"^ARG PYTHON=(\S+):(\S+)$", _DOCKERFILE.read_text(), re.MULTILINE)
    assert match
    name, tag = match.groups()
    purl = PackageURL("docker", None, name, tag)
    return Component(
        name=name, version=tag, type=ComponentType.CONTAINER, bom_ref=str(purl), purl=purl
    )
