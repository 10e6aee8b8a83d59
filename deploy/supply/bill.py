"""A bill of materials (CycloneDX) for each image: every package that its lock file pins, with the
hashes that are accepted and the licence. The same locks make the same bill."""

import re
import uuid
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from deploy.local.places import REPOSITORY

from .licences import of_python, of_the_page
from .locks import IMAGES, Package, page_packages, python_packages

FOLDER = REPOSITORY / ".local" / "sbom"
_DOCKERFILE = REPOSITORY / "deploy" / "service.Dockerfile"
_NAMESPACE = uuid.UUID("7b3e7a52-6a39-4cbb-9d39-5a4e2f0c7a11")


def write() -> list[Path]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = []
    for image in IMAGES:
        path = FOLDER / f"{image}.cdx.json"
        path.write_text(bill(image))
        written.append(path)
    return written


def bill(image: str) -> str:
    """JSON of CycloneDX 1.6. The packages of the base image's own system are not in it."""
    packages = python_packages(image) + (page_packages() if image == "gateway" else [])
    made = Bom(components=[_base(), *map(_component, packages)])
    made.metadata.component = Component(
        name=f"warble/{image}", type=ComponentType.CONTAINER, bom_ref=f"warble/{image}"
    )
    made.metadata.timestamp = None  # type: ignore[assignment]
    made.register_dependency(made.metadata.component, made.components)
    made.serial_number = uuid.uuid5(_NAMESPACE, f"{image} {sorted(packages)}")
    text: str = make_outputter(made, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(
        indent=1
    )
    return text + "\n"


def _component(package: Package) -> Component:
    name = package.name
    namespace, _, bare = name.rpartition("/")
    purl = PackageURL(package.kind, namespace or None, bare, package.version)
    licence = of_python(name) if package.kind == "pypi" else of_the_page()[name]
    hashes = [
        HashType(alg=HashAlgorithm(package.algorithm), content=digest) for digest in package.hashes
    ]
    return Component(
        name=name,
        version=package.version,
        bom_ref=str(purl),
        purl=purl,
        licenses=[LicenseExpression(licence)],
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                # Names the package without a registry's host: packages may come from a mirror.
                url=XsUri(str(purl)),
                hashes=hashes,
            )
        ],
    )


def _base() -> Component:
    """The image that it stands on, as the Dockerfile names it."""
    found = re.search(r"^ARG PYTHON=(\S+):(\S+)$", _DOCKERFILE.read_text(), re.MULTILINE)
    assert found
    name, tag = found.groups()
    purl = PackageURL("docker", None, name, tag)
    return Component(
        name=name, version=tag, type=ComponentType.CONTAINER, bom_ref=str(purl), purl=purl
    )
