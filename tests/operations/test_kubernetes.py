"""Checks of the example overlay in deploy/kubernetes, as rendered by kubectl."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.repository import REPOSITORY, SERVICES

OVERLAY = REPOSITORY / "deploy" / "kubernetes" / "overlays" / "production"
DEPLOYMENTS = {
    *(f"{name}-{role}" for name in SERVICES for role in ("api", "worker")),
    "notifications-stream",
    "gateway",
}


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    return rendered(OVERLAY)


def rendered(overlay: Path) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on the PATH")
    built = subprocess.run(
        [kubectl, "kustomize", str(overlay)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


def named(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def test_each_deployment_scales_and_has_a_disruption_budget(objects: list[dict[str, Any]]) -> None:
    deployments = named(objects, "Deployment")
    assert deployments.keys() == DEPLOYMENTS
    for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert named(objects, kind).keys() == DEPLOYMENTS
    for name, scaler in named(objects, "HorizontalPodAutoscaler").items():
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
    for name, budget in named(objects, "PodDisruptionBudget").items():
        labels = deployments[name]["spec"]["template"]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert all(
        one["spec"]["template"]["spec"]["topologySpreadConstraints"] for one in deployments.values()
    )


def test_no_container_may_do_more_than_it_needs(objects: list[dict[str, Any]]) -> None:
    for kind in ("Deployment", "Job"):
        for name, one in named(objects, kind).items():
            pod = one["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            part = name.partition("-")[0]
            settings, secrets = container["envFrom"]
            assert pod["securityContext"]["runAsNonRoot"], name
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert container["image"].startswith(f"warble/{part}:"), name
            assert f"{part}." in container["args"][-1] or part in container["args"][-1], name
            assert settings["configMapRef"]["name"] in named(objects, "ConfigMap"), name
            assert secrets["secretRef"]["name"] == f"{part}-secrets", name
            if kind == "Deployment":
                probes = ("startupProbe", "livenessProbe", "readinessProbe")
                assert all(container[probe]["httpGet"] for probe in probes), name
    assert not named(objects, "Secret")
    for name, given in named(objects, "ConfigMap").items():
        assert not any("PASSWORD" in key or "SECRET" in key for key in given["data"]), name


def test_the_operators_commands_get_every_services_secrets_only_in_an_overlay_that_asks(
    objects: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert not named(objects, "CronJob")
    shutil.copytree(OVERLAY.parents[1], tmp_path, dirs_exist_ok=True)
    overlay = tmp_path / "overlays" / "production"
    with (overlay / "kustomization.yaml").open("a") as file:
        file.write("components: [../../operate]\n")

    with_operate = rendered(overlay)

    pod = named(with_operate, "CronJob")["operate"]["spec"]["jobTemplate"]["spec"]["template"][
        "spec"
    ]
    sources = {
        volume["name"]: volume["projected"]["sources"]
        for volume in pod["volumes"]
        if "projected" in volume
    }
    assert sources.keys() == set(SERVICES)
    for service, (settings, secrets) in sources.items():
        data = named(with_operate, "ConfigMap")[settings["configMap"]["name"]]["data"]
        assert data["DB_USER"] == service
        assert secrets == {"secret": {"name": f"{service}-secrets"}}
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_readiness_of_a_gateway_is_asked_at_a_port_that_nobody_else_reaches(
    objects: list[dict[str, Any]],
) -> None:
    (container,) = named(objects, "Deployment")["gateway"]["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    settings = named(objects, "ConfigMap")[container["envFrom"][0]["configMapRef"]["name"]]
    (open_to_all,) = named(objects, "NetworkPolicy")["gateway"]["spec"]["ingress"]
    (published,) = named(objects, "Service")["gateway"]["spec"]["ports"]

    assert settings["data"]["GATEWAY_INTERNAL_ADDRESS"] == f"0.0.0.0:{ports['internal']}"
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "internal"}
    assert [port["port"] for port in open_to_all["ports"]] == ["http"]
    assert published["targetPort"] == "http"


def test_only_the_ingress_reaches_the_gateway(
    objects: list[dict[str, Any]],
) -> None:
    policies = named(objects, "NetworkPolicy")
    ways = {
        name: way for name, policy in policies.items() for way in policy["spec"].get("ingress", ())
    }
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}

    assert all("from" in way for way in ways.values())
    assert ways["gateway"]["from"] == [{"namespaceSelector": namespace}]
    assert policies["closed"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert policies.keys() == {"closed", "measured", "gateway", "notifications-stream"} | {
        f"{service}-api" for service in SERVICES
    }


def test_the_gateway_alone_takes_a_clients_address_from_the_ingress(
    objects: list[dict[str, Any]],
) -> None:
    believed = {
        name: one["data"]["FORWARDED_ALLOW_IPS"]
        for name, one in named(objects, "ConfigMap").items()
        if "FORWARDED_ALLOW_IPS" in one["data"]
    }
    gateway = named(objects, "Deployment")["gateway"]["spec"]["template"]["spec"]
    (container,) = gateway["containers"]

    assert believed.keys() == {container["envFrom"][0]["configMapRef"]["name"]}
    assert "*" not in believed.values()
