"""A bill of materials lists everything in an image, with the hashes of each package."""

import json
import re
import subprocess

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from devstack.repository import REPOSITORY, SERVICES
from tools.supply_chain import sbom
from tools.supply_chain.lock_files import IMAGES, python_packages


@pytest.mark.parametrize("image", IMAGES)
def test_a_bill_names_every_locked_package_with_all_its_hashes(image: str) -> None:
    text = sbom.sbom(image)
    named = {
        f"{component['name']}=={component['version']}": {
            digest["content"]
            for reference in component.get("externalReferences", ())
            for digest in reference["hashes"]
        }
        for component in json.loads(text)["components"]
    }

    locked = (REPOSITORY / "requirements" / f"{image}.txt").read_text()
    blocks = re.split(r"^(?=\w)", locked, flags=re.MULTILINE)[1:]
    assert len(blocks) > 40
    for block in blocks:
        assert named[block.split()[0]] == set(re.findall(r"sha256:(\w{64})", block)) != set()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_gateways_bill_contains_the_web_page_too() -> None:
    components = json.loads(sbom.sbom("gateway"))["components"]
    names = {component["name"] for component in components}
    lock = json.loads((REPOSITORY / "web" / "package-lock.json").read_text())
    expected = {path.rpartition("node_modules/")[2] for path in lock["packages"] if path}

    assert expected <= names
    assert not expected & {part["name"] for part in json.loads(sbom.sbom("users"))["components"]}
    assert all(part["licenses"] for part in components if part["type"] == "library")


def test_no_committed_file_and_no_bill_names_the_host_of_a_package_registry() -> None:
    """Packages may come from a mirror, which concerns the machine and not the product."""
    hosts = re.compile(
        r"\b(?:pypi|pythonhosted|npmjs|yarnpkg|jsdelivr|unpkg|ghcr|quay)\.(?:org|com|io|net)\b"
        r"|\b(?:deb|archive|security|ports|packages)\.(?:debian|ubuntu)\.(?:org|com)\b"
        r"|\bregistry\.[a-z0-9-]+\.[a-z]{2,}\b|\bcrates\.io\b"
    )
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    texts = {
        file: (REPOSITORY / file).read_text(errors="ignore")
        for file in listed.stdout.split("\0")
        if file and (REPOSITORY / file).is_file()
    } | {f"bill of {image}": sbom.sbom(image) for image in IMAGES}

    found = {(where, match[0]) for where, text in texts.items() for match in hosts.finditer(text)}

    assert found == set()


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_for_operators_has_every_package_of_every_service(service: str) -> None:
    assert {*python_packages(service)} <= {*python_packages("operate")}
